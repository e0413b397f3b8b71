package binlog

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/source"
)

// explain gives an error of the connection or the server its class, and says what mends it. It never holds the password:
// neither the server nor the client library repeats it.
func (c *Config) explain(err error) error {
	var my *mysql.MyError
	if final := new(finalError); errors.As(err, &final) {
		return final.error
	}
	if !errors.As(err, &my) {
		if errors.Is(err, source.ErrTransient) || errors.Is(err, source.ErrPositionLost) || errors.As(err, new(*tls.CertificateVerificationError)) {
			return err
		}
		return fmt.Errorf("%w: %w", source.ErrTransient, err)
	}
	switch my.Code {
	case sameServerID, mysql.ER_MASTER_FATAL_ERROR_READING_BINLOG:
		return c.explainLog(my)
	case mysql.ER_SPECIFIC_ACCESS_DENIED_ERROR, mysql.ER_ACCESS_DENIED_ERROR, mysql.ER_DBACCESS_DENIED_ERROR,
		mysql.ER_KILL_DENIED_ERROR:
		return fmt.Errorf("%w: user %q needs the right to read the log: GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO %q",
			err, c.User, c.User)
	case mysql.ER_CON_COUNT_ERROR, mysql.ER_SERVER_SHUTDOWN, mysql.ER_NORMAL_SHUTDOWN, mysql.ER_QUERY_INTERRUPTED,
		mysql.ER_NET_READ_ERROR, mysql.ER_NET_READ_INTERRUPTED, mysql.ER_NET_ERROR_ON_WRITE, mysql.ER_NET_WRITE_INTERRUPTED,
		mysql.ER_NEW_ABORTING_CONNECTION, mysql.ER_ABORTING_CONNECTION, mysql.ER_OUT_OF_RESOURCES, mysql.ER_OUTOFMEMORY,
		connectionKilled, mysql.ER_USER_LIMIT_REACHED, mysql.ER_LOCK_WAIT_TIMEOUT:
		return fmt.Errorf("%w: %w", source.ErrTransient, err)
	}
	return err
}

// Errors that only MariaDB has.
const (
	connectionKilled = 1927 // by KILL
	sameServerID     = 4052 // another reader has registered with it
)

// lost and fatal phrases of error 1236, which servers use for all that can go wrong with a log.
var logErrors = []struct{ phrase, why string }{
	{"could not find first log", "the server has no log file of that name: it was purged, or the server's log was reset"},
	{"could not find next log", "the server has lost a log file that its index names"},
	{"purged", "the server has purged log that is still needed; keep it longer (binlog_expire_logs_seconds, expire_logs_days)"},
	{"file size", "the position is past the end of the server's log: the server was restored from a backup, or lost its last writes"},
	{"impossible position", "there is no such position in the server's log: the server was restored from a backup, or is another one"},
	{"bogus data in log event", "no event begins at the position: it belongs to another server's log"},
	{"which is not in the", "the server's log does not have the GTID position: it was purged, or is of another history"},
	{"missing the gtid", "the server's log does not have the GTID position: it was purged, or is of another history"},
	{"diverged", "the server's log is of another history than the position"},
	{"has more gtids than the", "the position is ahead of the server: it was restored from a backup, or is another one"},
}

// explainLog explains error 1236.
func (c *Config) explainLog(err *mysql.MyError) error {
	text := strings.ToLower(err.Message)
	if strings.Contains(text, "same server_uuid") || strings.Contains(text, "same server_id") || strings.Contains(text, "same server id") {
		return fmt.Errorf("%w: another reader uses server id %d too (another cdcsync, or a replica): give each its own server-id", err, c.ServerID)
	}
	if strings.Contains(text, "max_allowed_packet") {
		return fmt.Errorf("%w: SET GLOBAL max_allowed_packet = 1073741824 on the server", err)
	}
	for _, l := range logErrors {
		if strings.Contains(text, l.phrase) {
			return fmt.Errorf("%w: %s (%w)", source.ErrPositionLost, l.why, err)
		}
	}
	return fmt.Errorf("%w: %w", source.ErrTransient, err)
}
