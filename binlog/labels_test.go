package binlog_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestStream_Labels has labels in character sets whose bytes are not ASCII's: the table map has them in the column's own.
func TestStream_Labels(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		got := follow(t, s,
			"CREATE TABLE a (id int PRIMARY KEY, v enum('é','日本','x') CHARACTER SET ucs2, w set('日本','ソ','x') CHARACTER SET utf16, u enum('é','ü') CHARACTER SET latin1)",
			"INSERT INTO a VALUES (1, '日本', 'ソ,x', 'ü')")
		expect(t, got, "schema none -> a v1 (id v w u)", "commit", "rows a v1: insert(1, 日本, ソ,x, ü)", "commit")
	})
}
