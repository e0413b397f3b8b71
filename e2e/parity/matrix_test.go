package parity

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A place is where the values of a type were found equal to those at the source.
type place int

const (
	columnLog place = iota
	columnKey
	columnIceberg
	columnClickHouse
	columnKafka
	places
)

var placeNames = [places]string{"snapshot=log", "as key", "Iceberg", "ClickHouse", "Kafka"}

// A tally counts rows, and those of them that are equal.
type tally struct{ good, all int }

func (n tally) String() string {
	if n.all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", n.good, n.all)
}

// A matrix has the tallies of all types of a server.
type matrix struct {
	mu      sync.Mutex // guards the fields below
	servers []string
	lines   map[string][]*line // by server, in the order of their first tally
}

// A line has the tallies of one type.
type line struct {
	subject string // names the type, of which two may be spelled alike
	label   string
	tallies [places]tally
}

var results = matrix{lines: map[string][]*line{}}

// add adds to the tally of a type in one place.
func (m *matrix) add(s *servers.Server, sub *subject, at place, n tally) {
	m.mu.Lock()
	defer m.mu.Unlock()
	server := string(s.Flavour) + " " + s.Version
	if m.lines[server] == nil {
		m.servers = append(m.servers, server)
	}
	i := slices.IndexFunc(m.lines[server], func(l *line) bool { return l.subject == sub.plain })
	if i < 0 {
		i = len(m.lines[server])
		m.lines[server] = append(m.lines[server], &line{subject: sub.plain, label: sub.label()})
	}
	all := &m.lines[server][i].tallies[at]
	all.good, all.all = all.good+n.good, all.all+n.all
}

// label is a type in a line of the matrix.
func (sub *subject) label() string {
	const most = 60
	text := sub.native
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

func (m *matrix) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, server := range m.servers {
		fmt.Fprintf(w, "%s\t%s\n", server, strings.Join(placeNames[:], "\t"))
		var types [places]tally
		for _, l := range m.lines[server] {
			fmt.Fprint(w, l.label)
			for at, n := range l.tallies {
				fmt.Fprintf(w, "\t%v", n)
				if n.all > 0 {
					types[at].all++
				}
				if n.all > 0 && n.good == n.all {
					types[at].good++
				}
			}
			fmt.Fprintln(w)
		}
		fmt.Fprint(w, "types")
		for _, n := range types {
			fmt.Fprintf(w, "\t%v", n)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}

// TestMain prints the matrix after a verbose run.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if testing.Verbose() {
		results.print()
	}
	os.Exit(code)
}
