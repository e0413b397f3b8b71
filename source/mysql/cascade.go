package mysql

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// loggedCascades is the first MySQL that runs cascades above the engine and logs them.
const loggedCascades = 90600

// A cascade is a foreign key by which the server changes rows of a table without a trace in the log.
type cascade struct {
	table              schema.Name
	name, parent, rule string // parent as the server quotes it
}

func (k *cascade) String() string {
	return fmt.Sprintf("foreign key %s has %s from %s", k.name, k.rule, k.parent)
}

// mend is the statement that ends it.
func (k *cascade) mend() string {
	return fmt.Sprintf("ALTER TABLE %s DROP FOREIGN KEY %s, ADD FOREIGN KEY (...) REFERENCES %s (...) ON DELETE RESTRICT ON UPDATE RESTRICT; (and change the rows in the application)",
		quoteTable(k.table), quote(k.name), k.parent)
}

// refusal is why the table is not captured.
func (k *cascade) refusal() error {
	return fmt.Errorf("%s: the server changes rows of the table by itself and does not log that, so the copy would keep rows that are gone, or old values: "+
		"%s, or accept it with foreign-key.cascades: warn", k, k.mend())
}

// foreignKey is a line of SHOW CREATE TABLE: name, parent, rules. Lines of columns begin with the column's name.
var foreignKey = regexp.MustCompile("^  CONSTRAINT (`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|[^ ]+) FOREIGN KEY \\(.*\\) REFERENCES (.+) \\([^()]*\\)((?: ON (?:DELETE|UPDATE) [A-Z ]+)*),?$")

// cascades are the foreign keys of that kind that tables have. The statements are asked for, because information_schema
// hides foreign keys from accounts that may read only.
func (s *Source) cascades(ctx context.Context, c *conn, tables iter.Seq[schema.Name]) ([]cascade, error) {
	if !s.server.mariadb() && s.server.number >= loggedCascades && !s.server.on("innodb_native_foreign_keys") {
		return nil, nil
	}
	var found []cascade
	for name := range tables {
		rows, err := c.query(ctx, "SHOW CREATE TABLE "+quoteTable(name))
		if isServerError(err) {
			continue // it is gone, or the account may not read it, and then nothing is copied
		}
		if err != nil {
			return nil, err
		}
		if len(rows) == 1 && len(rows[0]) > 1 {
			found = append(found, cascadesIn(name, rows[0][1])...)
		}
	}
	return found, nil
}

// cascadesIn reads the statement that makes a table.
func cascadesIn(name schema.Name, create string) (found []cascade) {
	for line := range strings.SplitSeq(create, "\n") {
		m := foreignKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if rule := cascadeRule(m[3]); rule != "" {
			found = append(found, cascade{name, unquote(m[1]), m[2], rule})
		}
	}
	return found
}

// unquote returns a name without its quotes.
func unquote(name string) string {
	if q := name[:1]; q == "`" || q == `"` {
		return strings.ReplaceAll(name[1:len(name)-1], q+q, q)
	}
	return name
}

// cascadeRule finds the first rule that changes rows; a cascading update of a key that is never updated does so as well.
func cascadeRule(rules string) string {
	for rule := range strings.SplitSeq(rules, " ON ") {
		if strings.HasSuffix(rule, " CASCADE") || strings.HasSuffix(rule, " SET NULL") || strings.HasSuffix(rule, " SET DEFAULT") {
			return "ON " + rule
		}
	}
	return ""
}

// refuseCascades notes the tables of a listing that are refused for their foreign keys.
func (s *Source) refuseCascades(ctx context.Context, c *conn, found []*listed) error {
	if s.cfg.Cascades != CascadesRefuse {
		return nil
	}
	byName := map[schema.Name]*listed{}
	for _, l := range found {
		byName[l.table.Name] = l
	}
	all, err := s.cascades(ctx, c, maps.Keys(byName))
	for i := range all {
		if l := byName[all[i].table]; l != nil && l.problem == nil {
			l.problem = all[i].refusal()
		}
	}
	return err
}

// A guarded stream takes tables out that got such foreign keys when they were captured already.
type guarded struct {
	source.Stream
	s     *Source
	stops []*schema.TableError // to be told before anything else
}

// guard looks at the tables that a stream begins with: it warns of them, or has the stream stop them first.
func (s *Source) guard(ctx context.Context, stream source.Stream, tables []*schema.Table) (source.Stream, error) {
	g := &guarded{Stream: stream, s: s}
	names := make([]schema.Name, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	return g, g.look(ctx, names)
}

// look adds the stops of tables.
func (g *guarded) look(ctx context.Context, names []schema.Name) error {
	var all []cascade
	err := g.s.with(ctx, func(c *conn) (err error) {
		all, err = g.s.cascades(ctx, c, slices.Values(names))
		return err
	})
	if err != nil {
		return fmt.Errorf("look for foreign keys: %w", err)
	}
	for i := range all {
		k := &all[i]
		if g.s.cfg.Cascades == CascadesRefuse {
			g.stops = append(g.stops, &schema.TableError{Table: k.table, Err: k.refusal()})
		} else {
			g.s.log.Warn("changes by a foreign key are not logged, and will be missed", "table", k.table, "key", k.name, "parent", k.parent, "rule", k.rule)
		}
	}
	return nil
}

// Next returns the next event. A table that is created with a foreign key, or gets one, is looked at when the log tells of
// it.
func (g *guarded) Next(ctx context.Context) (source.Event, error) {
	for len(g.stops) == 0 {
		ev, err := g.Stream.Next(ctx)
		if err != nil || ev.Schema == nil || ev.Schema.After == nil {
			return ev, err
		}
		if strings.Contains(strings.ToLower(ev.Schema.Statement), "references") {
			err = g.look(ctx, []schema.Name{ev.Schema.After.Name})
		}
		if err != nil || ev.Schema.Before != ev.Schema.After { // else it was told for its foreign key alone
			return ev, err
		}
	}
	e := g.stops[0]
	g.stops = g.stops[1:]
	return source.Event{Stopped: e}, nil
}
