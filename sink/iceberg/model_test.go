package iceberg

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink"
)

// A machine drives the sink and a map side by side, as an engine would: it inserts only keys that are not there.
type machine struct {
	s     *Sink
	shape *schema.Table
	model map[uint64]uint64
	gen   uint64
	batch *row.Batch
}

func (m *machine) step(t *rapid.T) {
	id := rapid.Uint64Range(1, 12).Draw(t, "id")
	to := rapid.Uint64Range(1, 12).Draw(t, "to")
	old, held := m.model[id]
	_, taken := m.model[to]
	m.gen++
	switch what := rapid.IntRange(0, 9).Draw(t, "op"); {
	case what == 0: // a row whose presence the sink need not know
		put(m.batch, row.Upsert, id, m.gen)
		m.model[id] = m.gen
	case what == 1: // the delete of a row that a snapshot has not copied yet
		put(m.batch, row.Delete, id, old)
		delete(m.model, id)
	case !held:
		put(m.batch, row.Insert, id, m.gen)
		m.model[id] = m.gen
	case what < 4:
		put(m.batch, row.Delete, id, old)
		delete(m.model, id)
	case what < 6 && !taken:
		put(m.batch, row.Before, id, old)
		put(m.batch, row.After, to, m.gen)
		delete(m.model, id)
		m.model[to] = m.gen
	default:
		put(m.batch, row.Before, id, old)
		put(m.batch, row.After, id, m.gen)
		m.model[id] = m.gen
	}
}

func (m *machine) want() string {
	var out []string
	for id, gen := range m.model {
		out = append(out, fmt.Sprintf("%d/%d", id, gen))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestTxn_Model compares the table with a map after each of many commits, with so small a buffer that most rows of a
// commit are in files already when a later row of the commit supersedes them.
func TestTxn_Model(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s := openTest(t, dir, func(c *Config) {
			if rapid.Bool().Draw(rt, "partitioned") {
				c.PartitionKey = fmt.Sprintf("shop.t%d:bucket[3](id)", n)
			}
		})
		defer func() { _ = s.Close() }()
		s.cfg.Buffer = 4 * 200 * optionBytes(rapid.IntRange(0, 8).Draw(rt, "buffer"))
		shape := narrowTable()
		shape.Name.Table = fmt.Sprintf("t%d", n)
		if err := s.Evolve(t.Context(), &schema.Change{After: shape}); err != nil {
			rt.Fatal(err)
		}
		m := &machine{s: s, shape: shape, model: map[uint64]uint64{}}
		for epoch := range rapid.IntRange(1, 5).Draw(rt, "commits") {
			m.commit(t, rt, uint64(epoch+1))
			if got, want := present(t, s, shape.Name), m.want(); got != want {
				rt.Fatalf("epoch %d: got %s, want %s", epoch+1, got, want)
			}
		}
	})
	lint(t, dir)
}

func (m *machine) commit(t *testing.T, rt *rapid.T, epoch uint64) {
	x, err := m.s.Begin(t.Context())
	if err != nil {
		rt.Fatal(err)
	}
	for range rapid.IntRange(0, 25).Draw(rt, "batches") {
		m.batch = row.New(m.shape)
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			m.step(rt)
		}
		if err := x.Write(t.Context(), m.batch); err != nil {
			rt.Fatal(err)
		}
	}
	mark := sink.Mark{Run: 1, Epoch: epoch}
	if err := x.Commit(t.Context(), map[schema.Name]sink.Mark{m.shape.Name: mark}); err != nil {
		rt.Fatal(err)
	}
}
