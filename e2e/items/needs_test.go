package items

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A needs says which servers have what a scenario is about. The zero needs is all of them.
type needs struct {
	mysql, mariadb string // the first version that has it, as "8.0.29"; empty: all of them; never: none
	mysqlUntil     string // the first version of MySQL that is not like that any more; empty: none
	why            string // what others lack, in place of the version
}

const never = "never"

// Needs that many scenarios have.
var (
	onlyMySQL   = needs{mariadb: never}
	onlyMariaDB = needs{mysql: never}
)

// lacks says why a server cannot play; empty: it can.
func (n needs) lacks(f servers.Flavour, version [3]int) string {
	first, kind := n.mysql, "MySQL"
	if f == servers.FlavourMariaDB {
		first, kind = n.mariadb, "MariaDB"
	}
	switch {
	case first == never && n.why != "", first != never && earlier(version, parseVersion(first)) && n.why != "":
		return n.why
	case first == never:
		return kind + " does not have it"
	case earlier(version, parseVersion(first)):
		return fmt.Sprintf("since %s %s", kind, first)
	case f == servers.FlavourMySQL && n.mysqlUntil != "" && !earlier(version, parseVersion(n.mysqlUntil)):
		return "until MySQL " + n.mysqlUntil
	}
	return ""
}

func earlier(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

var number = regexp.MustCompile(`\d+`)

// parseVersion reads the three numbers with which a version begins.
func parseVersion(text string) (v [3]int) {
	for i, n := range number.FindAllString(text, 3) {
		v[i], _ = strconv.Atoi(n) // it is digits
	}
	return v
}

func versionOf(t testing.TB, s *servers.Server) [3]int {
	t.Helper()
	return parseVersion(s.Value(t, "SELECT version()"))
}
