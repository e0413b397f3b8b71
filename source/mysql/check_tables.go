package mysql

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/schema"
)

// cascades looks for foreign keys that change captured tables without a trace in the log.
func (k *checker) cascades(ctx context.Context) error {
	all, err := k.s.cascades(ctx, k.c, func(yield func(schema.Name) bool) {
		for _, t := range k.tables {
			if !yield(t.Name) {
				return
			}
		}
	})
	for i := range all {
		f := &all[i]
		k.add(schema.Problem, fmt.Sprintf("foreign key %s of %s has %s from %s", f.name, f.table, f.rule, f.parent),
			"the server changes rows of the table by itself and does not log that: the copy keeps rows that are gone, or old values", f.mend())
	}
	return err
}

func (k *checker) captures(n schema.Name) bool {
	return slices.ContainsFunc(k.tables, func(t *schema.Table) bool { return t.Name == n })
}

// engines looks for tables of engines without transactions.
func (k *checker) engines(ctx context.Context) error {
	if len(k.tables) == 0 {
		return nil
	}
	rows, err := k.c.query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ("+literals(k.databases())+
		") AND ENGINE NOT IN ('InnoDB', 'ROCKSDB', 'ndbcluster')")
	if err != nil {
		return err
	}
	for _, r := range rows {
		name := schema.Name{Namespace: r[0], Table: r[1]}
		if k.captures(name) {
			k.add(schema.Warning, fmt.Sprintf("table %s has the engine %s", name, r[2]), "it has no transactions: a copy of a row that is written meanwhile may be older or newer than its place in the log; the next change mends it",
				fmt.Sprintf("ALTER TABLE %s ENGINE = InnoDB;", quoteTable(name)))
		}
	}
	if k.s.server.on("wsrep_on") {
		k.add(schema.Warning, "the server is a node of a Galera cluster", "positions of its log mean nothing on the other nodes", "connect to one node always, with wsrep_gtid_mode=ON")
	}
	return nil
}

// keys looks for tables without a key.
func (k *checker) keys(context.Context) error {
	for _, t := range k.tables {
		if len(t.Key) == 0 {
			k.add(schema.Warning, fmt.Sprintf("table %s has no primary key", t.Name), "it is copied in one piece, by one reader, and its rows are told apart by all their columns",
				fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (...);", quoteTable(t.Name)))
		}
	}
	return nil
}

// prepared looks for XA transactions that wait for their outcome.
func (k *checker) prepared(ctx context.Context) error {
	rows, err := k.c.query(ctx, "XA RECOVER")
	if isServerError(err) {
		return nil // the account may not look
	}
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		k.add(schema.Warning, fmt.Sprintf("%d XA transactions are prepared and wait for their outcome", len(rows)),
			"a pipeline does not start before they have ended: their rows are in the log already, and would never come", "XA RECOVER; then XA COMMIT or XA ROLLBACK each of them")
	}
	return nil
}
