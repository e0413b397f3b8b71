package clickhouse

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// oldest is the first version of ClickHouse with all that the sink uses: ReplacingMergeTree(version, is_deleted), settings of
// lightweight deletes, tokens of plain MergeTree tables.
const oldest = 24

// Check looks whether the server answers, is of a version that will do, and lets the user do what the sink does. It leaves
// nothing behind but the database of the state.
func (s *Sink) Check(ctx context.Context) []schema.Finding {
	first := s.checkServer(ctx)
	if first.Level == schema.Problem {
		return []schema.Finding{first}
	}
	return []schema.Finding{first, s.checkRights(ctx), s.checkDatabase(ctx)}
}

func (s *Sink) checkServer(ctx context.Context) schema.Finding {
	what := "ClickHouse at " + s.endpoint.addr + " (" + string(s.cfg.Protocol) + ")"
	rows, err := s.control.texts(ctx, s.queryID(), "SELECT version()")
	if err != nil {
		f := schema.Finding{Level: schema.Problem, What: what + " does not answer", Why: err.Error(), Fix: "correct hostname, port, protocol and tls"}
		if classify(err) == fatal {
			f.What, f.Fix = what+" refuses the user", "correct username and password, and the networks that the user may come from"
		}
		return f
	}
	version := rows[0][0]
	year, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(year); err != nil || n < oldest {
		return schema.Finding{Level: schema.Problem, What: what + " is version " + version, Why: fmt.Sprintf("the sink needs %d.1 or later", oldest), Fix: "upgrade ClickHouse"}
	}
	return schema.Finding{What: what + " answers: version " + version}
}

// checkRights makes a table like those of the sink, writes to it and drops it.
func (s *Sink) checkRights(ctx context.Context) schema.Finding {
	n := s.stageName(schema.Name{Namespace: s.cfg.StateDatabase})
	table := quoteTable(n)
	for _, statement := range []string{
		createDatabaseSQL(s.cfg.StateDatabase, &s.cfg),
		"CREATE TABLE " + table + s.cfg.onCluster() + " (id UInt64, v UInt64, d UInt8) ENGINE = " + s.stateEngine("v, d") + " ORDER BY id",
		"INSERT INTO " + table + " SETTINGS async_insert = 0 VALUES (1, 1, 0)",
		"ALTER TABLE " + table + s.cfg.onCluster() + " ADD COLUMN x UInt8, MODIFY COMMENT 'x'",
		dropTableSQL(n, &s.cfg),
	} {
		if err := s.control.exec(ctx, s.queryID(), statement); err != nil {
			_ = s.control.exec(ctx, s.queryID(), dropTableSQL(n, &s.cfg)) // it may not be there
			return schema.Finding{Level: schema.Problem, What: "user " + s.cfg.Username + " cannot make, fill, alter and drop tables in database " + s.cfg.StateDatabase, Why: err.Error(),
				Fix: "GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, ALTER, DROP TABLE, DROP VIEW, TRUNCATE, INSERT, SELECT ON *.* TO " + s.cfg.Username + ", with readonly = 0"}
		}
	}
	return schema.Finding{What: "user " + s.cfg.Username + " can make, fill, alter and drop tables"}
}

// checkDatabase looks whether tables can be exchanged, and whether they have UUIDs, by which the marks name them.
func (s *Sink) checkDatabase(ctx context.Context) schema.Finding {
	rows, err := s.control.texts(ctx, s.queryID(), "SELECT engine FROM system.databases WHERE name = "+quoteText(s.cfg.StateDatabase))
	if err != nil || len(rows) == 0 {
		return schema.Finding{Level: schema.Problem, What: "the engine of database " + s.cfg.StateDatabase + " is not known", Why: fmt.Sprint(err), Fix: "grant SELECT on system.databases"}
	}
	switch engine := rows[0][0]; engine {
	case "Atomic", "Replicated", "Shared":
		return schema.Finding{What: "databases are of engine " + engine}
	default:
		return schema.Finding{Level: schema.Problem, What: "database " + s.cfg.StateDatabase + " is of engine " + engine,
			Why: "its tables have no UUIDs and cannot be exchanged", Fix: "make it anew with ENGINE = Atomic, or set state.database to another one"}
	}
}
