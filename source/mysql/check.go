package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// Check looks at everything that the server, the account and the captured tables must fulfil. It changes nothing. An
// error says that the checks could not be made, not that they found something.
func (s *Source) Check(ctx context.Context, tables []*schema.Table) ([]schema.Finding, error) {
	k := &checker{s: s, tables: tables}
	err := s.with(ctx, func(c *conn) error {
		k.c = c
		for _, check := range []func(context.Context) error{
			k.version, k.log, k.images, k.gtids, k.retention, k.identity, k.replica, k.filters, k.privileges, k.readable,
			k.signal, k.cascades, k.engines, k.keys, k.prepared,
		} {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", s.cfg.address(), err)
	}
	return k.findings, nil
}

// A checker collects findings.
type checker struct {
	s        *Source
	c        *conn
	tables   []*schema.Table
	findings []schema.Finding
}

func (k *checker) add(l schema.Level, what, why, fix string) {
	k.findings = append(k.findings, schema.Finding{Level: l, What: what, Why: why, Fix: fix})
}

func (k *checker) fine(format string, args ...any) {
	k.add(schema.Fine, fmt.Sprintf(format, args...), "", "")
}

// variable returns a global variable as it was when the source was opened.
func (k *checker) variable(name string) string { return k.s.server.vars[name] }

// The versions that the project's tests run on.
const (
	oldestMySQL   = 50700
	newestMySQL   = 90799
	oldestMariaDB = 100500
	newestMariaDB = 110899
)

func (k *checker) version(context.Context) error {
	srv := &k.s.server
	oldest, newest := oldestMySQL, newestMySQL
	if srv.mariadb() {
		oldest, newest = oldestMariaDB, newestMariaDB
	}
	name := srv.String()
	switch lower := strings.ToLower(srv.version); {
	case strings.Contains(lower, "vitess"), strings.Contains(lower, "tidb"):
		k.add(schema.Problem, "the server is "+name, "it speaks MySQL's protocol, but has no binary log of MySQL's kind", "connect to a MySQL or MariaDB server")
	case srv.number < oldest:
		k.add(schema.Problem, "the server is "+name, "it is older than what is tested, and its log may lack what is needed", "use MySQL 5.7 or MariaDB 10.5, or newer")
	case srv.number > newest:
		k.add(schema.Warning, "the server is "+name, "it is newer than what was tested", "watch the first days; compare the tables")
	default:
		k.fine("the server is %s", name)
	}
	return nil
}

func (k *checker) log(context.Context) error {
	if !k.s.server.on("log_bin") {
		k.add(schema.Problem, "log_bin is OFF", "without a binary log there are no changes to read", "add log_bin=binlog to the [mysqld] section of the server's configuration and restart it (Amazon RDS: switch automated backups on)")
		return nil
	}
	k.fine("log_bin is ON")
	if format := k.variable("binlog_format"); format != "" && format != "ROW" {
		k.add(schema.Problem, "binlog_format is "+format, "changes are logged as statements, not as rows: they cannot be copied", "SET GLOBAL binlog_format = 'ROW'; (and in the server's configuration; open sessions keep the old value until they reconnect)")
	} else {
		k.fine("binlog_format is ROW")
	}
	if strings.EqualFold(k.variable("binlog_checksum"), "NONE") {
		k.add(schema.Warning, "binlog_checksum is NONE", "a damaged log is not noticed", "SET GLOBAL binlog_checksum = 'CRC32';")
	}
	if k.variable("binlog_storage_engine") != "" {
		k.add(schema.Problem, "binlog_storage_engine is "+k.variable("binlog_storage_engine"), "places in such a log mean something else, and are not understood", "remove binlog_storage_engine from the server's configuration and restart it")
	}
	return nil
}

func (k *checker) images(context.Context) error {
	if image := k.variable("binlog_row_image"); !strings.EqualFold(image, "FULL") && !strings.EqualFold(image, "FULL_NODUP") {
		k.add(schema.Problem, "binlog_row_image is "+image, "inserts and updates carry only some of the columns: the first row that is not whole stops its table", "SET GLOBAL binlog_row_image = 'FULL'; (and in the server's configuration; open sessions keep the old value until they reconnect)")
	} else {
		k.fine("binlog_row_image is %s", image)
	}
	switch metadata, known := k.s.server.vars["binlog_row_metadata"]; {
	case !known:
		k.add(schema.Warning, "the server has no binlog_row_metadata", "the log does not name columns: a schema change that was not understood is noticed by types and number of columns only", "use MySQL 8.0 or MariaDB 10.5, or newer")
	case !strings.EqualFold(metadata, "FULL"):
		k.add(schema.Warning, "binlog_row_metadata is "+metadata, "the log does not name columns: a schema change that was not understood is noticed by types and number of columns only", "SET GLOBAL binlog_row_metadata = 'FULL'; (and in the server's configuration)")
	default:
		k.fine("binlog_row_metadata is FULL")
	}
	if options := k.variable("binlog_row_value_options"); options != "" {
		k.fine("binlog_row_value_options is %s: changes of JSON documents are applied to the documents before them", options)
	}
	return nil
}

func (k *checker) gtids(context.Context) error {
	srv := &k.s.server
	switch {
	case srv.mariadb():
		k.fine("a failover can be followed, to replicas with log_slave_updates=ON (here it is %s)", srv.logsUpdates())
		return nil
	case srv.gtids():
		k.fine("gtid_mode is ON: a failover can be followed, to replicas with log_replica_updates=ON (here it is %s)", srv.logsUpdates())
		if v, known := srv.vars["binlog_order_commits"]; known && !srv.on("binlog_order_commits") {
			k.add(schema.Warning, "binlog_order_commits is "+v, "transactions become visible in another order than that of the log; chunks are exact all the same", "SET GLOBAL binlog_order_commits = ON;")
		}
		return nil
	}
	const fix = "SET GLOBAL enforce_gtid_consistency = ON; SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = ON_PERMISSIVE; wait until SHOW STATUS LIKE 'ONGOING_ANONYMOUS_TRANSACTION_COUNT' is 0; SET GLOBAL gtid_mode = ON;"
	what := "gtid_mode is " + k.variable("gtid_mode")
	if k.s.oracle == nil && k.s.cfg.StartupMode.copies() {
		k.add(schema.Problem, what, "the server cannot say which transactions a read has seen, so existing rows cannot be copied exactly", fix+" Or give signal.table, or start with scan.startup.mode: latest-offset")
		return nil
	}
	k.add(schema.Warning, what, "after a failover the log of the new server cannot be followed", fix)
	return nil
}

// shortRetention is below what survives a weekend's outage.
const shortRetention = 3 * 86400

func (k *checker) retention(context.Context) error {
	name, factor := "binlog_expire_logs_seconds", 1.0
	if v, known := k.s.server.vars[name]; !known || v == "0" {
		name, factor = "expire_logs_days", 86400
	}
	value, known := k.s.server.vars[name]
	n, err := strconv.ParseFloat(value, 64)
	switch seconds := n * factor; {
	case !known || err != nil || seconds == 0:
		k.fine("the log is kept until it is purged by hand")
	case seconds < shortRetention:
		k.add(schema.Warning, fmt.Sprintf("the log is kept for %.1f hours (%s is %s)", seconds/3600, name, value),
			"when cdcsync is down for longer, or a table takes longer to copy than it keeps up with the log, everything must be copied again",
			fmt.Sprintf("SET GLOBAL %s = %.0f;", name, 7*86400/factor))
	default:
		k.fine("the log is kept for %.1f days", seconds/86400)
	}
	if max := k.variable("max_binlog_total_size"); max != "" && max != "0" {
		k.add(schema.Warning, "max_binlog_total_size is "+max, "a burst of writes deletes log that was not read yet", "SET GLOBAL max_binlog_total_size = 0;")
	}
	return nil
}

func (k *checker) identity(ctx context.Context) error {
	id := k.variable("server_id")
	if id == "0" {
		k.add(schema.Problem, "server_id is 0", "such a server serves its log to no one", "SET GLOBAL server_id = 1; (and in the server's configuration)")
		return nil
	}
	mine := k.s.cfg.ServerID
	n, err := strconv.ParseUint(id, 10, 32)
	if err == nil && mine.First != 0 && uint32(n) >= mine.First && uint32(n) <= mine.Last {
		k.add(schema.Problem, fmt.Sprintf("server-id %s is the server's own", mine), "the server takes the log reader for itself", "choose another server-id, or leave it out for a random one")
	}
	sql := "SHOW SLAVE HOSTS"
	if !k.s.server.mariadb() && k.s.server.number >= 80200 {
		sql = "SHOW REPLICAS"
	}
	rows, err := k.c.query(ctx, sql)
	if isServerError(err) {
		return nil // the account may not look
	}
	if err != nil {
		return err
	}
	for _, r := range rows {
		n, err := strconv.ParseUint(r[0], 10, 32)
		if err == nil && mine.First != 0 && uint32(n) >= mine.First && uint32(n) <= mine.Last {
			k.add(schema.Problem, fmt.Sprintf("server-id %d is in use by a replica (%s)", n, r[1]), "the server ends the connection of one when the other comes: both would reconnect for ever", "choose another server-id, or leave it out for a random one")
		}
	}
	return nil
}

// replica checks a source that is itself a replica.
func (k *checker) replica(ctx context.Context) error {
	logged := k.s.server.on("log_replica_updates") || k.s.server.on("log_slave_updates")
	sql := "SHOW SLAVE STATUS"
	if !k.s.server.mariadb() && k.s.server.number >= 80022 {
		sql = "SHOW REPLICA STATUS"
	} else if k.s.server.mariadb() {
		sql = "SHOW ALL SLAVES STATUS"
	}
	rows, err := k.c.query(ctx, sql)
	if err != nil && !isServerError(err) {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	if !logged {
		k.add(schema.Problem, "the server is a replica, and does not log what it replicates", "changes that come from its primary would not be seen", "add log_replica_updates=ON (log_slave_updates before MySQL 8.0.26 and in MariaDB) to the server's configuration and restart it, or connect to the primary")
		return nil
	}
	k.fine("the server is a replica that logs what it replicates")
	return nil
}
