package clickhouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/pipeline/option"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// through leads the rig's sink through a proxy.
func through(t *testing.T, p *proxy.Proxy) func(*Config) {
	return func(c *Config) {
		via := serverConfig(t, p.Addr(), c.StateDatabase)
		c.Hostname, c.Port = via.Hostname, via.Port
	}
}

// TestCommit_ReplyLost loses the replies of each kind of request of a commit, after the server has done its work.
func TestCommit_ReplyLost(t *testing.T) {
	server := servers.SharedClickHouse(t)
	for name, c := range map[string]struct {
		text  string // in the request whose reply is lost
		block option.Bytes
		keyed bool
	}{
		"rows":           {"INSERT INTO `", 32 << 20, true},
		"append":         {"INSERT INTO `", 32 << 20, false},
		"marks":          {"cdcsync_marks", 32 << 20, true},
		"fence":          {"SELECT 'run'", 32 << 20, true},
		"stage":          {"CREATE TABLE IF NOT EXISTS", 1, true},
		"move":           {"MOVE PARTITION", 1, true},
		"append, staged": {"INSERT INTO `", 1, false},
		"append, moved":  {"MOVE PARTITION", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := proxy.New(t, server.HTTPAddr)
			r := newRig(t, server, func(c2 *Config) { through(t, p)(c2); c2.BlockSize = c.block })
			o := r.shape("orders")
			if !c.keyed {
				o.Key = nil
			}
			r.evolve(nil, o)
			p.LoseReply(c.text, 2)
			r.commit(r.batch(o, insert(1, "a")), r.batch(o, insert(2, "b")))
			p.LoseReply("", 0)
			if p.Lost() != 2 {
				t.Errorf("%d replies were lost, want 2", p.Lost())
			}
			r.expect(o.Name, "1 a", "2 b")
			if got := server.Value(t, "SELECT count() FROM "+quoteTable(o.Name)); got != "2" {
				t.Errorf("got %s rows without FINAL, want 2: the token did not hold", got)
			}
			r.expectMark(o.Name)
		})
	}
}

// expectMark wants the last commit to be marked.
func (r *rig) expectMark(n schema.Name) {
	r.t.Helper()
	marks, err := r.sink.Marks(r.t.Context(), []schema.Name{n})
	if err != nil {
		r.t.Fatal(err)
	}
	if got, want := fmt.Sprint(marks[n]), fmt.Sprint(r.last); got != want {
		r.t.Errorf("mark: got %s, want %s", got, want)
	}
}

// TestSink_ServerDown waits for a server that is down for a while, and gives up as transient when that takes too long.
func TestSink_ServerDown(t *testing.T) {
	server := servers.SharedClickHouse(t)
	p := proxy.New(t, server.HTTPAddr)
	r := newRig(t, server, through(t, p))
	o := r.create("orders")
	p.Refuse(true)
	r.sink.cfg.RetryTimeout = 300 * time.Millisecond
	err := r.try(r.batch(o, insert(1, "a")))
	if !errors.Is(err, sink.ErrTransient) {
		t.Fatalf("got %v, want %v", err, sink.ErrTransient)
	}
	if err := r.sink.Start(t.Context(), r.run+1); !errors.Is(err, sink.ErrTransient) {
		t.Errorf("start: got %v, want %v", err, sink.ErrTransient)
	}
	if err := r.sink.Evolve(t.Context(), &schema.Change{After: r.shape("more")}); !errors.Is(err, sink.ErrTransient) {
		t.Errorf("evolve: got %v, want %v", err, sink.ErrTransient)
	}
	r.sink.cfg.RetryTimeout = time.Minute
	done := make(chan error)
	go func() { done <- r.sink.Start(t.Context(), r.run+1) }()
	p.Refuse(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.run++
	r.commit(r.batch(o, insert(1, "b")))
	r.expect(o.Name, "1 b")
}

// TestCommit_ServerKilled kills the server again and again while commits go on. Nothing is lost, and nothing is there twice: in a table
// without a key either.
func TestCommit_ServerKilled(t *testing.T) {
	server := servers.ClickHouse(t)
	r := newRig(t, server, func(c *Config) { c.RetryTimeout = time.Minute })
	keyed, changes := r.create("orders"), r.shape("changes")
	changes.Key = nil
	r.evolve(nil, changes)
	const kills, commits = 5, 60
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range kills {
			server.Kill9(t)
			server.Restart(t)
		}
	}()
	n, alive := 0, true
	for ; alive || n < commits; n++ {
		err := r.try(r.batch(keyed, insert(n, "a"), change{row.Upsert, 1_000_000, fmt.Sprint(n)}), r.batch(changes, insert(n, "a")))
		for errors.Is(err, sink.ErrTransient) { // as the engine does: the next run goes on from the marks
			t.Log(err)
			r.reopen()
			err = r.again(n, keyed, changes)
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-killed:
			alive = false
		default:
		}
	}
	for table, want := range map[*schema.Table]string{keyed: fmt.Sprintf("%d\t%d", n+1, n+1), changes: fmt.Sprintf("%d\t%d", n, n)} {
		if got := server.Value(t, "SELECT count(), uniqExact(id) FROM "+quoteTable(table.Name)+map[bool]string{true: " FINAL", false: ""}[table == keyed]); got != want {
			t.Errorf("%s: got %q rows, want %q", table.Name, got, want)
		}
	}
	if got, want := server.Value(t, "SELECT note FROM "+quoteTable(keyed.Name)+" FINAL WHERE id = 1000000"), fmt.Sprint(n-1); got != want {
		t.Errorf("got %s, want the last version %s", got, want)
	}
}

// again commits what is not marked.
func (r *rig) again(n int, keyed, changes *schema.Table) error {
	marks, err := r.sink.Marks(r.t.Context(), []schema.Name{keyed.Name, changes.Name})
	if err != nil {
		return err
	}
	var batches []*row.Batch
	if marks[keyed.Name].Epoch < r.epoch {
		batches = append(batches, r.batch(keyed, insert(n, "a"), change{row.Upsert, 1_000_000, fmt.Sprint(n)}))
	}
	if marks[changes.Name].Epoch < r.epoch {
		batches = append(batches, r.batch(changes, insert(n, "a")))
	}
	if len(batches) == 0 {
		return nil
	}
	return r.try(batches...)
}

// TestCommit_TooManyParts waits until merges have caught up.
func TestCommit_TooManyParts(t *testing.T) {
	r := newRig(t, servers.SharedClickHouse(t), func(c *Config) {
		c.TableSettings = map[string]string{"parts_to_throw_insert": "2", "parts_to_delay_insert": "0"}
		c.RetryTimeout = 300 * time.Millisecond
	})
	o := r.create("orders")
	r.server.Exec(t, "SYSTEM STOP MERGES "+quoteTable(o.Name))
	var err error
	n := 0
	for ; n < 10 && err == nil; n++ {
		err = r.try(r.batch(o, insert(n, "a")))
	}
	if !errors.Is(err, sink.ErrTransient) || codeOf(err) != codeTooManyParts || !strings.Contains(err.Error(), "merges") {
		t.Fatalf("got %v, want a transient error that tells of merges", err)
	}
	r.sink.cfg.RetryTimeout = time.Minute
	done := make(chan error)
	go func() { done <- r.try(r.batch(o, insert(100, "b"))) }()
	r.server.Exec(t, "SYSTEM START MERGES "+quoteTable(o.Name), "OPTIMIZE TABLE "+quoteTable(o.Name)+" FINAL")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.rows(o.Name); len(got) != n {
		t.Errorf("got %q, want %d rows", got, n)
	}
}

// TestCommit_MemoryLimit says what is missing, and goes on when it is there.
func TestCommit_MemoryLimit(t *testing.T) {
	server := servers.ClickHouse(t)
	r := newRig(t, server, func(c *Config) { c.RetryTimeout = 300 * time.Millisecond })
	o := r.create("orders")
	many := make([]change, 50_000)
	for i := range many {
		many[i] = insert(i, strings.Repeat("x", 200))
	}
	r.sink.endpoint.settings = []setting{{"max_memory_usage", "3000000"}}
	h := newHTTPInserter(r.sink.endpoint, time.Second)
	roomy := r.sink.blocks
	r.sink.blocks = h
	err := r.try(r.batch(o, many...))
	if !errors.Is(err, sink.ErrTransient) || codeOf(err) != codeMemoryLimit || !strings.Contains(err.Error(), "memory") {
		t.Fatalf("got %v, want a transient error that tells of memory", err)
	}
	r.expect(o.Name)
	r.sink.blocks = roomy
	r.commit(r.batch(o, many...))
	if got := r.rows(o.Name); len(got) != len(many) {
		t.Errorf("got %d rows, want %d", len(got), len(many))
	}
}

// TestSink_ReadOnly waits for a user that may only read to be let in, and says so.
func TestSink_ReadOnly(t *testing.T) {
	server := servers.ClickHouse(t)
	r := newRig(t, server, func(c *Config) { c.RetryTimeout = 200 * time.Millisecond })
	o := r.create("orders")
	server.Stop(t)
	server.Restart(t, servers.WithProfile("<readonly>2</readonly>"))
	err := r.try(r.batch(o, insert(1, "a")))
	if !errors.Is(err, sink.ErrTransient) || codeOf(err) != codeReadOnly || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("got %v, want a transient error that tells of readonly", err)
	}
	findings := r.sink.Check(t.Context())
	if last := findings[1]; last.Level != schema.Problem || last.Fix == "" {
		t.Errorf("check: got %+v, want a problem with rights", findings)
	}
}

// TestSink_NoSecrets sends wrong passwords, and to servers that are not there: no error says any of it.
func TestSink_NoSecrets(t *testing.T) {
	const canary = "canary-31415"
	server := servers.SharedClickHouse(t)
	for name, addr := range map[string]string{"refused": server.HTTPAddr, "nobody": "127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			cfg := serverConfig(t, addr, "none")
			cfg.Password, cfg.RetryTimeout = canary, 100*time.Millisecond
			s := openTest(t, cfg)
			_, merr := s.Marks(t.Context(), []schema.Name{{Namespace: "a", Table: "b"}})
			in := &insertion{into: "INSERT INTO a.b (x)", block: &markBlock{}}
			errs := []error{s.Start(t.Context(), 1), merr, s.send(t.Context(), "insert", in)}
			for _, f := range s.Check(t.Context()) {
				errs = append(errs, errors.New(f.What+f.Why+f.Fix))
			}
			for _, err := range errs {
				if err == nil || strings.Contains(err.Error(), canary) {
					t.Errorf("got %v, want an error without the password", err)
				}
				if name == "refused" && errors.Is(err, sink.ErrTransient) {
					t.Errorf("got %v, want an error that is not tried again", err)
				}
			}
		})
	}
}
