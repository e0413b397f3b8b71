package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// account returns the account that the server logged us in as, quoted for GRANT.
func (k *checker) account(ctx context.Context) (string, error) {
	who, err := k.c.value(ctx, "SELECT CURRENT_USER()")
	if err != nil {
		return "", err
	}
	at := strings.LastIndexByte(who, '@')
	return literal(who[:max(at, 0)]) + "@" + literal(who[at+1:]), nil
}

// privileges tries what the account must be able to do, rather than read what was granted: roles hide that.
func (k *checker) privileges(ctx context.Context) error {
	who, err := k.account(ctx)
	if err != nil {
		return err
	}
	if !k.s.server.on("log_bin") {
		return nil // nothing of this can be tried
	}
	if err := k.canFollow(ctx, who); err != nil {
		return err
	}
	privilege := "REPLICATION CLIENT"
	if k.s.server.mariadb() && k.s.server.number >= 100502 {
		privilege = "BINLOG MONITOR"
	}
	_, err = k.c.query(ctx, "SHOW BINARY LOGS")
	switch {
	case isServerError(err):
		k.add(schema.Problem, "the account lacks "+privilege, "the end of the log cannot be asked for", "GRANT "+privilege+" ON *.* TO "+who+";")
	case err != nil:
		return err
	default:
		k.fine("the account has %s", privilege)
	}
	return nil
}

// canFollow opens the log for a moment.
func (k *checker) canFollow(ctx context.Context, who string) error {
	file := k.newestFile(ctx)
	err := k.s.scanLog(ctx, file, firstEvent, func(logEvent) bool { return false })
	var refused *sqlError
	switch {
	case errors.As(err, &refused) && (refused.code == 1227 || refused.code == 1045 || refused.code == 1044):
		k.add(schema.Problem, "the account lacks REPLICATION SLAVE", "the log cannot be read", "GRANT REPLICATION SLAVE ON *.* TO "+who+";")
	case errors.As(err, &refused) && file == "":
		k.fine("the account may read the log")
	case errors.As(err, &refused):
		k.add(schema.Problem, "the log cannot be read", refused.Error(), "look at the server's error log")
	case err != nil:
		return err
	default:
		k.fine("the account may read the log")
	}
	return nil
}

// newestFile names the newest log file, "" when the account may not know; the server then begins with its oldest.
func (k *checker) newestFile(ctx context.Context) string {
	if k.s.server.mariadb() {
		p, err := k.s.mariadbHead(ctx, k.c)
		if err == nil {
			return p.File
		}
		return ""
	}
	end, err := k.s.head(ctx, k.c)
	if err != nil {
		return ""
	}
	return end.file
}

// readable tries to read each captured table.
func (k *checker) readable(ctx context.Context) error {
	who, err := k.account(ctx)
	if err != nil {
		return err
	}
	for _, t := range k.tables {
		sql, _ := chunkSQL(&schema.Table{Name: t.Name, Columns: t.Columns}, &meta{}, bounds{})
		_, err := k.c.query(ctx, sql+" LIMIT 0")
		var refused *sqlError
		switch {
		case errors.As(err, &refused) && (refused.code == 1142 || refused.code == 1143):
			k.add(schema.Problem, fmt.Sprintf("table %s cannot be read", t.Name), refused.message, fmt.Sprintf("GRANT SELECT ON %s TO %s;", quoteTable(t.Name), who))
		case errors.As(err, &refused):
			k.add(schema.Problem, fmt.Sprintf("table %s cannot be read", t.Name), refused.Error(), "")
		case err != nil:
			return err
		}
	}
	return nil
}

// signal tries the signal table without writing a row.
func (k *checker) signal(ctx context.Context) error {
	if k.s.cfg.SignalTable == "" {
		return nil
	}
	name, err := splitName(k.s.cfg.SignalTable)
	if err != nil {
		return nil // Config.Check says so
	}
	if _, ok := k.s.oracle.(signalOracle); !ok {
		k.add(schema.Warning, "signal.table is set, and not used", "this server has a better way, or cannot use it (binlog_order_commits is OFF)", "remove signal.table")
		return nil
	}
	_, err = k.c.query(ctx, fmt.Sprintf("INSERT INTO %s (id, type, data) SELECT 'cdcsync', 'watermark', '' FROM DUAL WHERE FALSE ON DUPLICATE KEY UPDATE data = ''", quoteTable(name)))
	var refused *sqlError
	switch {
	case errors.As(err, &refused) && refused.code == 1146, errors.As(err, &refused) && refused.code == 1049:
		k.add(schema.Problem, fmt.Sprintf("signal.table %s is not there", name), "watermarks are written to it",
			fmt.Sprintf("CREATE TABLE %s (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048)) ENGINE=InnoDB;", quoteTable(name)))
	case errors.As(err, &refused):
		who, err := k.account(ctx)
		if err != nil {
			return err
		}
		k.add(schema.Problem, fmt.Sprintf("signal.table %s cannot be written", name), refused.Error(), fmt.Sprintf("GRANT SELECT, INSERT, UPDATE ON %s TO %s;", quoteTable(name), who))
	case err != nil:
		return err
	default:
		k.fine("signal.table can be written")
	}
	return nil
}

// filters looks for databases that the server leaves out of its log.
func (k *checker) filters(ctx context.Context) error {
	rows, err := k.c.query(ctx, k.s.server.statusSQL())
	if isServerError(err) || len(rows) == 0 || len(rows[0]) < 4 {
		return nil // another check says that the account may not look, or that there is no log
	}
	if err != nil {
		return err
	}
	only, never := splitList(rows[0][2]), splitList(rows[0][3])
	for _, database := range k.databases() {
		if len(only) > 0 && !slices.Contains(only, database) || slices.Contains(never, database) {
			k.add(schema.Problem, fmt.Sprintf("changes of database %s are not logged (binlog_do_db, binlog_ignore_db)", database), "they cannot be copied", "remove these options from the server's configuration and restart it")
		}
	}
	return nil
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// databases are those of the captured tables.
func (k *checker) databases() []string {
	var names []string
	for _, t := range k.tables {
		names = append(names, t.Name.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
