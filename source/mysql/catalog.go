package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/binlog/ddl"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// systemSchemas belong to the server.
const systemSchemas = "'mysql', 'information_schema', 'performance_schema', 'sys'"

// fewTables is how many tables are asked for by name; more are taken from a whole database's answer.
const fewTables = 100

// A metaKey names one version of a table.
type metaKey struct {
	name    schema.Name
	version uint32
}

// A meta is what reading a table by its key needs, and its shape does not tell.
type meta struct {
	index      string   // the name of the key, empty without one
	collations []string // of each column, empty for what is no text
}

// A listed table is a table of the catalog while it is put together.
type listed struct {
	table   schema.Table
	meta    meta
	engine  string
	kind    string
	problem error
	keys    []*uniqueKey
	// isStored says of each column that it is generated, and kept in the row.
	isStored []bool
}

// A uniqueKey is a unique key of the catalog.
type uniqueKey struct {
	name    string
	columns []string
	useless bool // a part is a prefix, an expression, or may be NULL
}

// Tables finds the tables whose name matches. It takes three queries for each database.
func (s *Source) Tables(ctx context.Context, match func(schema.Name) bool) (source.Discovered, error) {
	var found []*listed
	err := s.with(ctx, func(c *conn) (err error) {
		if found, err = s.list(ctx, c, match); err != nil {
			return err
		}
		return s.refuseCascades(ctx, c, found)
	})
	if err != nil {
		return source.Discovered{}, fmt.Errorf("find tables: %w", err)
	}
	var d source.Discovered
	for _, l := range found {
		if l.problem == nil {
			l.problem = s.refuse(l)
		}
		if l.problem != nil {
			d.Refused = append(d.Refused, &schema.TableError{Table: l.table.Name, Err: l.problem})
			continue
		}
		d.Tables = append(d.Tables, &l.table)
		s.remember(&l.table, &l.meta)
	}
	return d, nil
}

// refuse says why a table that was found cannot be captured.
func (s *Source) refuse(l *listed) error {
	switch l.kind {
	case "SEQUENCE":
		return errors.New("it is a sequence, which has no rows to capture: exclude it")
	case "SYSTEM VERSIONED":
		return errors.New("it is system-versioned: an update logs rows of the past as well: exclude it, or ALTER TABLE ... DROP SYSTEM VERSIONING")
	}
	if err := refuseEngine(l.table.Name, l.engine); err != nil {
		return err
	}
	for _, k := range l.table.Key {
		if c := &l.table.Columns[k]; slices.Contains(c.Labels, "") {
			return fmt.Errorf("column %s of its key has a label that is empty, as the server's invalid value is: two rows could look like one; "+
				"ALTER TABLE %s to give the label a name, or exclude the table", c.Name, quoteTable(l.table.Name))
		}
	}
	if !s.cfg.StartupMode.copies() {
		return nil
	}
	if s.oracle == nil {
		return s.noOracle()
	}
	if len(l.table.Key) == 0 && !s.server.snapshot {
		instead := ""
		if s.cfg.ChunkKeyColumn != "" {
			instead = " (scan.incremental.snapshot.chunk.key-column cannot stand for a key: rows that share its value would be one)"
		}
		return fmt.Errorf("it has no primary key and no unique key of columns that are NOT NULL%s, and %s has no view that could copy it exactly: ALTER TABLE %s ADD PRIMARY KEY (...), or use scan.startup.mode: latest-offset",
			instead, s.server.flavour, quoteTable(l.table.Name))
	}
	return nil
}

// list asks the catalog, table by table in the order of their names.
func (s *Source) list(ctx context.Context, c *conn, match func(schema.Name) bool) ([]*listed, error) {
	rows, err := c.query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ("+systemSchemas+")"+
		" AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')")
	if err != nil {
		return nil, err
	}
	byName := map[schema.Name]*listed{}
	databases := map[string][]string{}
	for _, r := range rows {
		name := schema.Name{Namespace: r[0], Table: r[1]}
		if !match(name) {
			continue
		}
		byName[name] = &listed{table: schema.Table{Name: name, Version: 1, Charset: ddl.CollationCharset(r[4])}, kind: r[2], engine: r[3]}
		databases[r[0]] = append(databases[r[0]], r[1])
	}
	for database, tables := range databases {
		if err := s.fill(ctx, c, database, tables, byName); err != nil {
			return nil, err
		}
	}
	found := make([]*listed, 0, len(byName))
	for _, l := range byName {
		if err := s.trueLabels(ctx, c, l); err != nil {
			return nil, err
		}
		l.chooseKey()
		found = append(found, l)
	}
	slices.SortFunc(found, func(a, b *listed) int { return a.table.Name.Compare(b.table.Name) })
	return found, nil
}

// fill adds the columns and keys of the tables of one database.
func (s *Source) fill(ctx context.Context, c *conn, database string, tables []string, byName map[schema.Name]*listed) error {
	where := " WHERE TABLE_SCHEMA = " + literal(database)
	if len(tables) <= fewTables {
		where += " AND TABLE_NAME IN (" + literals(tables) + ")"
	}
	rows, err := c.query(ctx, "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, EXTRA FROM information_schema.COLUMNS"+
		where+" ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if l := byName[schema.Name{Namespace: database, Table: r[0]}]; l != nil {
			l.addColumn(r)
		}
	}
	rows, err = c.query(ctx, "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS"+
		where+" AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if l := byName[schema.Name{Namespace: database, Table: r[0]}]; l != nil {
			l.addKeyPart(r[1], r[2], r[3] != "")
		}
	}
	return nil
}

// addKeyPart adds one part of a unique key: rows come in the order of keys and parts.
func (l *listed) addKeyPart(index, column string, prefix bool) {
	if n := len(l.keys); n == 0 || l.keys[n-1].name != index {
		l.keys = append(l.keys, &uniqueKey{name: index})
	}
	k := l.keys[len(l.keys)-1]
	k.columns = append(k.columns, column)
	k.useless = k.useless || prefix || column == ""
}

// chooseKey takes the primary key, else the first unique key that identifies each row: whole columns that are never NULL.
func (l *listed) chooseKey() {
	slices.SortStableFunc(l.keys, func(a, b *uniqueKey) int {
		return strings.Compare(primaryFirst(a.name), primaryFirst(b.name))
	})
	for _, k := range l.keys {
		key, ok := l.usable(k)
		if ok {
			l.table.Key, l.table.Unique, l.meta.index = key, k.name != "PRIMARY", k.name
			return
		}
	}
}

func primaryFirst(index string) string {
	if index == "PRIMARY" {
		return ""
	}
	return index
}

func (l *listed) usable(k *uniqueKey) ([]int, bool) {
	if k.useless {
		return nil, false
	}
	key := make([]int, len(k.columns))
	for i, name := range k.columns {
		at := slices.IndexFunc(l.table.Columns, func(c schema.Column) bool { return c.Name == name })
		if at < 0 {
			return nil, false
		}
		c := &l.table.Columns[at]
		if c.Nullable || c.Flags&schema.Generated != 0 && !l.isStored[at] {
			return nil, false
		}
		key[i] = at
	}
	return key, true
}

// metaOf finds what the catalog says of a table that is read by its key.
func (s *Source) metaOf(ctx context.Context, c *conn, t *schema.Table) (*meta, error) {
	key := metaKey{t.Name, t.Version}
	s.mu.Lock()
	m := s.metas[key]
	s.mu.Unlock()
	if m != nil {
		return m, nil
	}
	found, err := s.list(ctx, c, func(n schema.Name) bool { return n == t.Name })
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s is not there", source.ErrShape, t.Name)
	}
	m, err = found[0].metaFor(t)
	if err != nil {
		return nil, err
	}
	s.remember(t, m)
	return m, nil
}

// metaFor fits the catalog's answer to the shape that the caller knows.
func (l *listed) metaFor(t *schema.Table) (*meta, error) {
	if len(l.table.Columns) != len(t.Columns) {
		return nil, fmt.Errorf("%w: the server has %d columns, not %d", source.ErrShape, len(l.table.Columns), len(t.Columns))
	}
	for i := range t.Columns {
		if l.table.Columns[i].Name != t.Columns[i].Name {
			return nil, fmt.Errorf("%w: column %d is %s, not %s", source.ErrShape, i+1, l.table.Columns[i].Name, t.Columns[i].Name)
		}
	}
	for _, k := range l.keys {
		if key, ok := l.usable(k); ok && slices.Equal(key, t.Key) {
			return &meta{index: k.name, collations: l.meta.collations}, nil
		}
	}
	if len(t.Key) > 0 {
		return nil, fmt.Errorf("%w: the key is another", source.ErrShape)
	}
	return &meta{collations: l.meta.collations}, nil
}

func (s *Source) remember(t *schema.Table, m *meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metas[metaKey{t.Name, t.Version}] = m
}

// EstimateRows returns about how many rows each table has, as the server's statistics say: they may be far off. Tables
// that are not there are left out.
func (s *Source) EstimateRows(ctx context.Context, tables []*schema.Table) (map[schema.Name]int64, error) {
	byDatabase := map[string][]string{}
	for _, t := range tables {
		byDatabase[t.Name.Namespace] = append(byDatabase[t.Name.Namespace], t.Name.Table)
	}
	estimates := make(map[schema.Name]int64, len(tables))
	err := s.with(ctx, func(c *conn) error {
		for database, names := range byDatabase {
			rows, err := c.query(ctx, "SELECT TABLE_NAME, TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+literal(database)+
				" AND TABLE_NAME IN ("+literals(names)+")")
			if err != nil {
				return err
			}
			for _, r := range rows {
				n, _ := strconv.ParseInt(r[1], 10, 64) // NULL without statistics
				estimates[schema.Name{Namespace: database, Table: r[0]}] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("estimate rows: %w", err)
	}
	return estimates, nil
}
