package items

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline"
)

// A stage is where a scenario is played: a database of its own on one server.
type stage struct {
	*scenario
	server *servers.Server
	db     string
	want   *outcome
	behind bool // the steps run while the program is down

	pipe     *e2e.Pipeline
	pool     *sql.DB
	sessions map[string]*sql.Conn
	saved    *pipeline.SavedState // at the end
	broken   error                // why the scenario cannot go on
	early    []string             // what was wrong before the program was started again, which may heal tables
	wrong    []string             // what was found at the last look
}

// A step does something at the source.
type step func(ctx context.Context, x *stage) error

// in runs statements one after another in a session of that name, which stays open from step to step; the default
// database is the scenario's. {db} is its name; {new} and {other} are those of databases which the scenario makes itself:
// the pipeline captures the former, and not the latter.
func in(session string, statements ...string) step {
	return func(ctx context.Context, x *stage) error {
		conn, err := x.session(ctx, session)
		if err != nil {
			return err
		}
		for _, q := range statements {
			if _, err := conn.ExecContext(ctx, x.spell(q)); err != nil {
				return fmt.Errorf("%.200s: %w", x.spell(q), err)
			}
		}
		return nil
	}
}

// do runs statements in the scenario's own session.
func do(statements ...string) step { return in("", statements...) }

// steps is one step that runs statements in the scenario's own session.
func steps(statements ...string) []step { return []step{do(statements...)} }

// fails runs a statement that the server must refuse.
func fails(statement string) step {
	return func(ctx context.Context, x *stage) error {
		if do(statement)(ctx, x) == nil {
			return fmt.Errorf("%.200s: the server has not refused it", statement)
		}
		return nil
	}
}

// mysql are statements for MySQL alone.
func mysql(list ...string) step { return on(servers.FlavourMySQL, do(list...)) }

// mariadb are statements for MariaDB alone.
func mariadb(list ...string) step { return on(servers.FlavourMariaDB, do(list...)) }

func on(f servers.Flavour, what step) step {
	return func(ctx context.Context, x *stage) error {
		if x.server.Flavour != f {
			return nil
		}
		return what(ctx, x)
	}
}

// leave ends a session, as a client that goes away: what it has not committed is rolled back.
func leave(session string) step {
	return func(_ context.Context, x *stage) error {
		conn := x.sessions[session]
		delete(x.sessions, session)
		return discard(conn)
	}
}

// spell puts the names of databases into a statement.
func (x *stage) spell(q string) string {
	return strings.NewReplacer("{db}", x.db, "{other}", x.other(), "{new}", x.fresh()).Replace(q)
}

func (x *stage) other() string { return "x" + x.db }

func (x *stage) fresh() string { return x.db + "_new" }

func (x *stage) session(ctx context.Context, name string) (*sql.Conn, error) {
	if conn := x.sessions[name]; conn != nil {
		return conn, nil
	}
	conn, err := x.pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	if x.sessions == nil {
		x.sessions = map[string]*sql.Conn{}
	}
	x.sessions[name] = conn
	_, err = conn.ExecContext(ctx, "USE `"+x.db+"`")
	return conn, err
}

// discard ends a session's connection: its variables must not come to another one.
func discard(conn *sql.Conn) error {
	if conn == nil {
		return nil
	}
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// play does steps until one fails.
func (x *stage) play(ctx context.Context, list []step) {
	for _, next := range list {
		if x.broken == nil {
			x.broken = next(ctx, x)
		}
	}
}

// open makes the database, and plays the set-up.
func (x *stage) open(ctx context.Context, t testing.TB) {
	t.Helper()
	x.pool = x.server.DB(t)
	x.server.Exec(t, "CREATE DATABASE `"+x.db+"` CHARACTER SET utf8mb4")
	t.Cleanup(func() {
		for _, conn := range x.sessions {
			if err := discard(conn); err != nil {
				t.Error(err)
			}
		}
	})
	x.play(ctx, x.setup)
}

// inEveryCharset changes a table in each character set that a client of the server may speak.
func inEveryCharset(ctx context.Context, x *stage) error {
	rows, err := x.pool.QueryContext(ctx, "SELECT character_set_name FROM information_schema.character_sets WHERE character_set_name NOT IN ('ucs2', 'utf16', 'utf16le', 'utf32') ORDER BY 1")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	list := []string{"CREATE TABLE words (id int PRIMARY KEY, w enum('ä', 'x'))"}
	for n := 1; rows.Next(); n++ {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		list = append(list, "SET NAMES "+name, fmt.Sprintf("ALTER TABLE t ADD c%d int, COMMENT 'a comment'", n), fmt.Sprintf("UPDATE t SET c%d = %d", n, n))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	// The driver sends these bytes as they are: a client of latin1 means ä and € by them.
	list = append(list, "SET NAMES latin1", "ALTER TABLE words MODIFY w enum('\xe4', 'x', '\x80')", "INSERT INTO words VALUES (1, '\x80'), (2, '\xe4')")
	return do(list...)(ctx, x)
}
