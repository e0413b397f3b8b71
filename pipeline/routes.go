package pipeline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// A Route says how matching tables are called in the sink.
type Route struct {
	Source string // in the dialect of Patterns.Text
	// Sink is namespace.table. $1, $2 ... or ${1} stand for what the groups of Source hold; Replace, if set, is a text in it
	// that stands for the table's name at the source instead.
	Sink    string
	Replace string
}

// A RouteMode says what holds for a table that several routes match. Its text form is the setting `route-mode`.
type RouteMode uint8

// The route modes.
const (
	AllMatch   RouteMode = iota // every route: one table to many is not supported yet, and refused
	FirstMatch                  // the first route
)

// UnmarshalText reads ALL_MATCH and FIRST_MATCH.
func (m *RouteMode) UnmarshalText(text []byte) error {
	switch strings.ToUpper(string(text)) {
	case "ALL_MATCH":
		*m = AllMatch
	case "FIRST_MATCH":
		*m = FirstMatch
	default:
		return fmt.Errorf("%q is neither ALL_MATCH nor FIRST_MATCH", text)
	}
	return nil
}

// MarshalText returns the setting's value.
func (m RouteMode) MarshalText() ([]byte, error) {
	if m == FirstMatch {
		return []byte("FIRST_MATCH"), nil
	}
	return []byte("ALL_MATCH"), nil
}

// Routes name tables in the sink. Those that no route matches keep their name. A nil *Routes has no routes.
type Routes struct {
	routes []route
	mode   RouteMode
}

type route struct {
	Route
	match            []selector
	namespace, table template
}

// NewRoutes reads routes. Its error names each route that is wrong.
func NewRoutes(list []Route, mode RouteMode) (*Routes, error) {
	rs := &Routes{mode: mode}
	var errs []error
	for i, r := range list {
		c, err := compileRoute(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("route %d (%s): %w", i+1, r, err))
		}
		rs.routes = append(rs.routes, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return rs, nil
}

// String shows the route as it is configured.
func (r Route) String() string {
	return fmt.Sprintf("source-table %q, sink-table %q", r.Source, r.Sink)
}

func compileRoute(r Route) (route, error) {
	c := route{Route: r}
	var err error
	if c.match, err = parseDialect(r.Source); err != nil {
		return c, fmt.Errorf("source-table: %w", err)
	}
	if len(c.match) == 0 {
		return c, errors.New("source-table: required")
	}
	if r.Replace != "" && !strings.Contains(r.Sink, r.Replace) {
		return c, fmt.Errorf("replace-symbol: %q does not occur in sink-table", r.Replace)
	}
	if err := c.target(); err != nil {
		return c, fmt.Errorf("sink-table: %w", err)
	}
	return c, nil
}

// target reads Sink.
func (c *route) target() error {
	ns, tb, ok := strings.Cut(c.Sink, ".")
	if !ok || ns == "" || tb == "" || strings.Contains(tb, ".") {
		return errors.New("it must be namespace.table, with one dot")
	}
	groups := c.match[0].re.NumSubexp()
	for _, s := range c.match[1:] {
		groups = min(groups, s.re.NumSubexp())
	}
	var err1, err2 error
	c.namespace, err1 = parseTemplate(ns, c.Replace, groups)
	c.table, err2 = parseTemplate(tb, c.Replace, groups)
	return errors.Join(err1, err2)
}

// Name returns the sink's name of a source table.
func (rs *Routes) Name(n schema.Name) (schema.Name, error) {
	i, groups, err := rs.find(n)
	if err != nil || i < 0 {
		return n, err
	}
	r := &rs.routes[i]
	to := schema.Name{Namespace: r.namespace.expand(groups, n), Table: r.table.expand(groups, n)}
	if to.Namespace == "" || to.Table == "" {
		return to, fmt.Errorf("route %d (%s) gives table %s an empty name in the sink", i+1, r.Route, n)
	}
	return to, nil
}

// Explain says, for people, which route names a table.
func (rs *Routes) Explain(n schema.Name) string {
	i, _, err := rs.find(n)
	switch {
	case err != nil:
		return err.Error()
	case i < 0:
		return fmt.Sprintf("%s: no route, so it keeps its name", n)
	default:
		return fmt.Sprintf("%s: route %d, %s", n, i+1, rs.routes[i].Route)
	}
}

// find returns the index of the route of a table and what its groups hold; -1 for none.
func (rs *Routes) find(n schema.Name) (int, []string, error) {
	found, held := -1, []string(nil)
	if rs == nil {
		return found, held, nil
	}
	for i := range rs.routes {
		g := rs.routes[i].groups(n)
		switch {
		case g == nil:
		case found < 0 && rs.mode == FirstMatch:
			return i, g, nil
		case found < 0:
			found, held = i, g
		default:
			return 0, nil, fmt.Errorf("table %s matches route %d (%s) and route %d (%s), and one table to many is not supported: "+
				"narrow one of them, or set route-mode: FIRST_MATCH", n, found+1, rs.routes[found].Route, i+1, rs.routes[i].Route)
		}
	}
	return found, held, nil
}

func (c *route) groups(n schema.Name) []string {
	for _, s := range c.match {
		if g := s.groups(n); g != nil {
			return g
		}
	}
	return nil
}

// A template is a name with gaps, in order. It is expanded in one pass: what fills a gap is never read as a gap itself.
type template []gap

// A gap is a text, or what a group holds (from 1), or the table's own name (tableGap).
type gap struct {
	text  string
	group int
}

const tableGap = -1

func parseTemplate(s, replace string, groups int) (template, error) {
	if replace != "" {
		if g, err := parseTemplate(s, "", groups); err != nil || len(g) > 1 || len(g) == 1 && g[0].group != 0 {
			return nil, errors.New("replace-symbol and $1 exclude each other")
		}
		var t template
		for i, text := range strings.Split(s, replace) {
			if i > 0 {
				t = append(t, gap{group: tableGap})
			}
			t = append(t, gap{text: text})
		}
		return t, nil
	}
	var t template
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			return append(t, gap{text: s}), nil
		}
		group, rest, err := parseGroup(s[i+1:], groups)
		if err != nil {
			return nil, err
		}
		t = append(t, gap{text: s[:i]}, gap{group: group})
		s = rest
	}
}

// parseGroup reads the number behind a $: as many digits as make a group that exists, as Java does, or all within braces.
func parseGroup(s string, groups int) (group int, rest string, err error) {
	if inner, after, ok := strings.Cut(strings.TrimPrefix(s, "{"), "}"); ok && strings.HasPrefix(s, "{") {
		if group, err = strconv.Atoi(inner); err != nil || group < 1 || group > groups {
			return 0, "", fmt.Errorf("${%s}: source-table has %d groups", inner, groups)
		}
		return group, after, nil
	}
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		next := group*10 + int(s[n]-'0')
		if n > 0 && next > groups {
			break
		}
		group = next
		n++
	}
	if n == 0 || group < 1 || group > groups {
		return 0, "", fmt.Errorf("$%s: source-table has %d groups, which are called $1 and so on", s[:n], groups)
	}
	return group, s[n:], nil
}

func (t template) expand(groups []string, n schema.Name) string {
	var b strings.Builder
	for _, g := range t {
		switch {
		case g.group == tableGap:
			b.WriteString(n.Table)
		case g.group > 0:
			b.WriteString(groups[g.group])
		default:
			b.WriteString(g.text)
		}
	}
	return b.String()
}
