package items

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline"
)

// A lone scenario is no list of statements: it has a pipeline of its own, and often a server that it stops.
type lone struct {
	t      *testing.T
	server *servers.Server
	x      *stage // to run statements
	pipe   *e2e.Pipeline
}

// alone plays lone scenarios of one item on private servers, each as a row of the matrix. They wait more than they work, so
// the servers go beside each other.
func alone(t *testing.T, item string, options []string, list map[string]func(l *lone) string) {
	t.Helper()
	servers.EachPrivate(t, func(t *testing.T, s *servers.Server) {
		t.Parallel()
		playAlone(t, item, s, list)
	}, options...)
}

// playAlone plays scenarios one after another; each returns what the matrix is to say.
func playAlone(t *testing.T, item string, s *servers.Server, list map[string]func(l *lone) string) {
	t.Helper()
	m := &matrix{server: fmt.Sprintf("%s %s", s.Flavour, s.Version)}
	defer m.write(t)
	names := []string{}
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		result := ""
		t.Run(name, func(t *testing.T) {
			result = "FAILS"
			db := s.Database(t)
			l := &lone{t: t, server: s, x: &stage{scenario: &scenario{}, server: s, db: db, pool: s.DB(t)}}
			defer l.hangUp()
			said := list[name](l)
			if !t.Failed() {
				result = said
			}
			if strings.HasPrefix(said, "n.a.") {
				t.Skip(said)
			}
		})
		if result != "" { // else it was not asked for
			m.set(&scenario{item: item, name: name}, result)
		}
	}
}

// hangUp ends all sessions.
func (l *lone) hangUp() {
	for _, conn := range l.x.sessions {
		_ = discard(conn) // the server may be gone
	}
	l.x.sessions = nil
}

// play does steps.
func (l *lone) play(list ...step) {
	l.t.Helper()
	if l.x.play(l.t.Context(), list); l.x.broken != nil {
		l.t.Fatal(l.x.broken)
	}
}

// do runs statements in the scenario's database.
func (l *lone) do(statements ...string) { l.t.Helper(); l.play(do(statements...)) }

// open makes the scenario's pipeline.
func (l *lone) open(settings e2e.Settings) *e2e.Pipeline {
	l.t.Helper()
	l.pipe = e2e.NewPipeline(l.t, l.server, l.x.db, settings)
	return l.pipe
}

// copied starts the program and waits until all is equal.
func (l *lone) copied(tables ...string) *e2e.Daemon {
	l.t.Helper()
	d := l.pipe.Run(l.t)
	l.pipe.Equal(l.t, patience, tables...)
	return d
}

// end ends the program in an orderly way.
func (l *lone) end(d *e2e.Daemon) {
	l.t.Helper()
	if code := d.Terminate(l.t); code != 0 {
		l.t.Fatalf("exit code %d after SIGTERM:\n%s", code, l.pipe.Log(30))
	}
}

// refuses starts the program, which must end by itself and say why in all these words, and not say so as a stop of a table.
func (l *lone) refuses(words ...string) {
	l.t.Helper()
	said := len(l.pipe.Log(1 << 20))
	d := l.pipe.Run(l.t)
	if !d.Ended(patience) {
		l.t.Fatalf("cdcsync runs on, and is to refuse with %q:\n%s", words, l.pipe.Log(30))
	}
	text := l.pipe.Log(1 << 20)[said:]
	if code := d.ExitCode(); code != 1 {
		l.t.Errorf("exit code %d, want 1:\n%s", code, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			l.t.Errorf("cdcsync does not say %q:\n%s", w, text)
		}
	}
}

// again copies everything anew, and holds that all is equal then.
func (l *lone) again(tables ...string) {
	l.t.Helper()
	if out, said, code := l.pipe.Command(l.t, "resync", "--all"); code != 0 {
		l.t.Fatalf("cdcsync resync --all: code %d: %s%s", code, out, said)
	}
	d := l.pipe.Run(l.t)
	e2e.Until(l.t, patience, "all is copied anew", func() bool {
		s := (&run{pipe: l.pipe}).state(l.t)
		return !slices.ContainsFunc(s.Tables, func(x pipeline.SavedTable) bool { return x.Resync || x.State == pipeline.Copying })
	})
	l.pipe.Equal(l.t, patience, tables...)
	l.end(d)
	l.pipe.Equal(l.t, 0, tables...)
}

// place is the end of the server's log.
func (l *lone) place() (file string, offset int64) {
	l.t.Helper()
	query := "SHOW MASTER STATUS"
	if l.server.Flavour == servers.FlavourMySQL && !earlier(versionOf(l.t, l.server), [3]int{8, 2, 0}) {
		query = "SHOW BINARY LOG STATUS"
	}
	rows, err := l.x.pool.QueryContext(l.t.Context(), query)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		l.t.Fatalf("the server has no log: %v, %v", err, rows.Err())
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	values[0], values[1] = &file, &offset
	if err := rows.Scan(values...); err != nil {
		l.t.Fatal(err)
	}
	return file, offset
}

// reset begins the server's log anew, at a file of that number if it is not 0.
func (l *lone) reset(number int) {
	l.t.Helper()
	statement := "RESET MASTER"
	if l.server.Flavour == servers.FlavourMySQL && !earlier(versionOf(l.t, l.server), [3]int{8, 2, 0}) {
		statement = "RESET BINARY LOGS AND GTIDS"
	}
	if number > 0 {
		statement += fmt.Sprintf(" TO %d", number)
	}
	l.do(statement)
}

// nextSecond waits until the server's clock shows another second, and returns it.
func (l *lone) nextSecond() string {
	l.t.Helper()
	now := l.server.Value(l.t, "SELECT UNIX_TIMESTAMP()")
	for l.server.Value(l.t, "SELECT UNIX_TIMESTAMP()") == now {
		time.Sleep(20 * time.Millisecond)
	}
	return l.server.Value(l.t, "SELECT UNIX_TIMESTAMP()")
}

// data is the folder of the server's data.
func (l *lone) data() string { return filepath.Join(l.server.Dir, "data") }
