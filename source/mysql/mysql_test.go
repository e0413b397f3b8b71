package mysql

import (
	"context"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// configOf is the configuration of the superuser at a server.
func configOf(srv *servers.Server) Config {
	cfg := DefaultConfig()
	cfg.Hostname, cfg.Port, cfg.Username = "127.0.0.1", srv.Port, "root"
	return cfg
}

func open(t testing.TB, srv *servers.Server) *Source {
	t.Helper()
	return openConfig(t, configOf(srv))
}

func openConfig(t testing.TB, cfg Config) *Source {
	t.Helper()
	s, err := Open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// inDatabase matches the tables of one database.
func inDatabase(database string) func(schema.Name) bool {
	return func(n schema.Name) bool { return n.Namespace == database }
}

// tableOf finds one table, which must be fit to be captured.
func tableOf(t testing.TB, s *Source, database, table string) *schema.Table {
	t.Helper()
	d, err := s.Tables(t.Context(), func(n schema.Name) bool { return n.Namespace == database && n.Table == table })
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Refused) > 0 {
		t.Fatalf("refused: %v", d.Refused[0])
	}
	if len(d.Tables) != 1 {
		t.Fatalf("got %d tables named %s.%s, want 1", len(d.Tables), database, table)
	}
	return d.Tables[0]
}

// readAll reads all chunks of a range and hands each batch to f.
func readAll(ctx context.Context, t testing.TB, s *Source, table *schema.Table, rg source.Range, size func() int, f func(*row.Batch)) (chunks int) {
	t.Helper()
	for done := false; !done; chunks++ {
		rows, err := s.ReadChunk(ctx, source.Chunk{Table: table, Range: rg, Bytes: size()}, "")
		if err != nil {
			t.Fatalf("read chunk after %q: %v", rg.After, err)
		}
		for _, b := range rows.Rows {
			f(b)
			b.Free()
		}
		rg, done = rows.Rest, rows.Done
	}
	return chunks
}
