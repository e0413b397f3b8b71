package binlog_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestStream_TwoCodes has two keys that differ in the code of one character: as text they would be one row. Outside of the
// key the text is what it is.
func TestStream_TwoCodes(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (v varchar(10) CHARACTER SET cp932 PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, v varchar(10) CHARACTER SET cp932)",
			"INSERT INTO b VALUES (1, x'81CA'), (2, x'EEF9')", "INSERT INTO a VALUES (x'81CA')", "INSERT INTO a VALUES (x'EEF9')")
		if !strings.Contains(got, "rows b v1: insert(1, ￢) insert(2, ￢)") || !strings.Contains(got, "rows a v1: insert(￢)") || !strings.Contains(got, "stopped a") {
			t.Errorf("got\n%s", got)
		}
	})
}
