package clickhouse

import (
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// onCluster is the clause that makes a statement run on all servers of Config.Cluster.
func (c *Config) onCluster() string {
	if c.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + quoteName(c.Cluster)
}

// createDatabaseSQL creates the database of a namespace, if it is not there.
func createDatabaseSQL(database string, cfg *Config) string {
	sql := "CREATE DATABASE IF NOT EXISTS " + quoteName(database) + cfg.onCluster()
	if cfg.DatabaseEngine != "" {
		sql += " ENGINE = " + cfg.DatabaseEngine
	}
	return sql
}

// createSQL creates the table, if it is not there, under the name target; comment is the table's.
func (l *layout) createSQL(target schema.Name, cfg *Config, comment string) string {
	return l.create(target, cfg, comment, l.opts.ttl)
}

// stagingSQL creates a table of the same structure, from which partitions can be moved into the other. Nothing expires there.
func (l *layout) stagingSQL(target schema.Name, cfg *Config, comment string) string {
	return l.create(target, cfg, comment, "")
}

func (l *layout) create(target schema.Name, cfg *Config, comment, ttl string) string {
	var sql strings.Builder
	sql.WriteString("CREATE TABLE IF NOT EXISTS " + quoteTable(target) + cfg.onCluster() + "\n(\n")
	definitions := l.definitions()
	sql.WriteString("    " + strings.Join(definitions, ",\n    ") + "\n)\n")
	sql.WriteString("ENGINE = " + l.opts.engine.clause(l))
	if l.opts.partitionBy != "" {
		sql.WriteString("\nPARTITION BY " + l.opts.partitionBy)
	}
	sql.WriteString("\nORDER BY (" + strings.Join(l.orderBy, ", ") + ")")
	if ttl != "" {
		sql.WriteString("\nTTL " + ttl)
	}
	if settings := l.opts.sortedSettings(); len(settings) > 0 {
		sql.WriteString("\nSETTINGS " + strings.Join(settings, ", "))
	}
	if comment != "" {
		sql.WriteString("\nCOMMENT " + quoteText(comment))
	}
	return sql.String()
}

// definitions are the columns of the table as CREATE TABLE has them.
func (l *layout) definitions() []string {
	var list []string
	for i := range l.columns {
		list = append(list, l.definition(i))
	}
	for _, k := range technicalsOf[l.mode] {
		list = append(list, quoteName(l.technical(k))+" "+technicals[k].text)
	}
	return list
}

// definition is one of the source's columns, as CREATE TABLE and ALTER TABLE have it.
func (l *layout) definition(i int) string {
	c := &l.columns[i]
	sql := quoteName(c.name) + " " + c.text + " COMMENT " + quoteText(c.comment)
	if codec := l.opts.codecs[c.name]; codec != "" {
		sql += " CODEC(" + codec + ")"
	}
	return sql
}

// place says where column i stands: behind the one before it at the source.
func (l *layout) place(i int) string {
	if i == 0 {
		return " FIRST"
	}
	return " AFTER " + quoteName(l.columns[i-1].name)
}

// alterSQL changes a table; each clause is one of those below. ClickHouse does all of them, or none but data mutations.
func alterSQL(target schema.Name, cfg *Config, clauses ...string) string {
	return "ALTER TABLE " + quoteTable(target) + cfg.onCluster() + " " + strings.Join(clauses, ", ")
}

// addClause adds column i. fill is the expression that the rows which are there show in it, "" for the type's default.
func (l *layout) addClause(i int, fill string) string {
	c := &l.columns[i]
	sql := "ADD COLUMN " + quoteName(c.name) + " " + c.text
	if fill != "" {
		sql += " DEFAULT " + fill
	}
	sql += " COMMENT " + quoteText(c.comment)
	if codec := l.opts.codecs[c.name]; codec != "" {
		sql += " CODEC(" + codec + ")"
	}
	return sql + l.place(i)
}

// modifyClause gives column i its type, comment and place.
func (l *layout) modifyClause(i int) string { return "MODIFY COLUMN " + l.definition(i) + l.place(i) }

func dropClause(column string) string { return "DROP COLUMN " + quoteName(column) }

func renameClause(from, to string) string {
	return "RENAME COLUMN " + quoteName(from) + " TO " + quoteName(to)
}

// plainClause takes a column's default away; rows that have no value of their own show the type's default from then on.
func plainClause(column string) string {
	return "MODIFY COLUMN " + quoteName(column) + " REMOVE DEFAULT"
}

// moveClause moves a partition, given by its id in system.parts, into another table.
func moveClause(partitionID string, to schema.Name) string {
	return "MOVE PARTITION ID " + quoteText(partitionID) + " TO TABLE " + quoteTable(to)
}

func dropTableSQL(target schema.Name, cfg *Config) string {
	return "DROP TABLE IF EXISTS " + quoteTable(target) + cfg.onCluster() + " SYNC"
}

func truncateSQL(target schema.Name, cfg *Config) string {
	return "TRUNCATE TABLE " + quoteTable(target) + cfg.onCluster() + " SYNC"
}

// renameSQL renames tables, each pair from and to; all of them at once where the database can.
func renameSQL(cfg *Config, pairs ...[2]schema.Name) string {
	var list []string
	for _, p := range pairs {
		list = append(list, quoteTable(p[0])+" TO "+quoteTable(p[1]))
	}
	return "RENAME TABLE " + strings.Join(list, ", ") + cfg.onCluster()
}

// exchangeSQL swaps two tables at once. Databases that are not Atomic, Replicated or Shared refuse.
func exchangeSQL(a, b schema.Name, cfg *Config) string {
	return "EXCHANGE TABLES " + quoteTable(a) + " AND " + quoteTable(b) + cfg.onCluster()
}

// view is the name of the view beside a table; ok is false when the table shall have none.
func (l *layout) view(target schema.Name, cfg *Config) (view schema.Name, ok bool) {
	return schema.Name{Namespace: target.Namespace, Table: target.Table + cfg.ViewSuffix}, l.opts.view && l.mode.keyed()
}

// viewSQL makes or replaces the view of the present rows.
func (l *layout) viewSQL(target, view schema.Name, cfg *Config) string {
	columns := make([]string, len(l.columns))
	for i := range l.columns {
		columns[i] = quoteName(l.columns[i].name)
	}
	return "CREATE OR REPLACE VIEW " + quoteTable(view) + cfg.onCluster() + " AS SELECT " + strings.Join(columns, ", ") +
		" FROM " + quoteTable(target) + " FINAL WHERE " + quoteName(l.technical(columnDeleted)) + " = 0"
}

func dropViewSQL(view schema.Name, cfg *Config) string {
	return "DROP VIEW IF EXISTS " + quoteTable(view) + cfg.onCluster() + " SYNC"
}
