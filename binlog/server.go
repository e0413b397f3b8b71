package binlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/source"
)

// learn asks the server what reading its log needs to know.
func learn(gc *client.Conn) (*serverFacts, error) {
	r, err := gc.Execute("SELECT VERSION(), @@lower_case_table_names, @@server_id, @@character_set_server")
	if err != nil {
		return nil, err
	}
	row, err := texts(r, 0)
	if err != nil {
		return nil, err
	}
	f := &serverFacts{flavor: MySQL, version: versionNumber(row[0]), lowerNames: row[1] == "1", id: row[2], charset: row[3]}
	if strings.Contains(strings.ToLower(row[0]), "mariadb") {
		f.flavor = MariaDB
	} else if err := f.learnMySQL(gc); err != nil {
		return nil, err
	}
	if f.charsets, err = charsetsOf(gc, f.flavor); err != nil {
		return nil, err
	}
	f.databases, err = pairs(gc, "SELECT schema_name, default_character_set_name FROM information_schema.schemata")
	return f, err
}

func (f *serverFacts) learnMySQL(gc *client.Conn) error {
	r, err := gc.Execute("SELECT @@server_uuid, @@GLOBAL.gtid_mode")
	if err != nil {
		return err
	}
	row, err := texts(r, 0)
	if err == nil {
		f.id, f.named = row[0], row[1] == "ON"
	}
	return err
}

// statusSQL shows the end of the log.
func (f *serverFacts) statusSQL() string {
	switch {
	case f.flavor == MySQL && f.version >= 80200:
		return "SHOW BINARY LOG STATUS"
	case f.flavor == MariaDB && f.version >= 100502:
		return "SHOW BINLOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// learnEnd asks where the log ends. An account that may not look has none.
func (f *serverFacts) learnEnd(gc *client.Conn) error {
	r, err := gc.Execute(f.statusSQL())
	if my := new(mysql.MyError); errors.As(err, &my) || err == nil && r.RowNumber() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	row, err := texts(r, 0)
	if err != nil {
		return err
	}
	f.end.File = row[0]
	f.end.Offset, err = strconv.ParseUint(row[1], 10, offsetBits)
	return err
}

// versionNumber makes 101106 of 10.11.6-MariaDB-log.
func versionNumber(text string) int {
	n := 0
	parts := strings.SplitN(strings.SplitN(text, "-", 2)[0], ".", 3)
	for i := range 3 {
		part := 0
		if i < len(parts) {
			part, _ = strconv.Atoi(parts[i]) // what is no number counts as 0
		}
		n = n*100 + part
	}
	return n
}

// charsetsOf returns the character set of each collation id. MariaDB from 10.10 on has collations that fit several
// character sets: only the second table numbers those.
func charsetsOf(gc *client.Conn, f Flavor) (map[int]string, error) {
	var byID map[string]string
	err := fmt.Errorf("no table")
	if f == MariaDB {
		byID, err = pairs(gc, "SELECT id, character_set_name FROM information_schema.collation_character_set_applicability")
	}
	if err != nil {
		byID, err = pairs(gc, "SELECT id, character_set_name FROM information_schema.collations")
	}
	if err != nil {
		return nil, err
	}
	m := make(map[int]string, len(byID))
	for id, name := range byID {
		n, err := strconv.Atoi(id)
		if err != nil {
			continue // a collation without a number is none that a column has
		}
		m[n] = name
	}
	return m, nil
}

func one(gc *client.Conn, sql string) (string, error) {
	r, err := gc.Execute(sql)
	if err != nil {
		return "", err
	}
	row, err := texts(r, 0)
	if err != nil || len(row) == 0 {
		return "", fmt.Errorf("%s: no row: %w", sql, err)
	}
	return row[0], nil
}

func pairs(gc *client.Conn, sql string) (map[string]string, error) {
	r, err := gc.Execute(sql)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, r.RowNumber())
	for i := range r.RowNumber() {
		row, err := texts(r, i)
		if err != nil {
			return nil, err
		}
		m[row[0]] = row[1]
	}
	return m, nil
}

func texts(r *mysql.Result, i int) ([]string, error) {
	row := make([]string, r.ColumnNumber())
	for c := range row {
		var err error
		if row[c], err = r.GetString(i, c); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// checkServer makes sure that the server's log is the one that the position is of, as far as it can be told before reading.
func checkServer(gc *client.Conn, f *serverFacts, from *Position) error {
	if from.Flavor != f.flavor {
		return fmt.Errorf("%w: the position is of %s, the server is %s", source.ErrPositionLost, from.Flavor, f.flavor)
	}
	if from.Server != "" && from.Server != f.id {
		return fmt.Errorf("%w: the server is %s, the position is of server %s: places in the one's log mean nothing in the other's",
			errMoved, f.id, from.Server)
	}
	if from.GTIDs == nil || from.GTIDs.Empty() {
		return nil
	}
	for deadline := time.Now().Add(executedPatience); ; {
		missing, err := lacking(gc, f, from.GTIDs)
		if err != nil || missing.Empty() {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: the server lacks %s, which is before the position: it was restored from a backup, its log was reset, "+
				"or it is another server", source.ErrPositionLost, missing)
		}
		if _, err := gc.Execute("DO SLEEP(0.1)"); err != nil {
			return err
		}
	}
}

// errMoved says that another server answers than the one that the position is of: the caller is to find the place in that
// one's log.
var errMoved = fmt.Errorf("%w: another server answers", source.ErrTransient)

// executedPatience is how long the position may be ahead of what the server says it has executed: MySQL records a
// transaction later than it sends it.
const executedPatience = 5 * time.Second

// lacking returns what the server does not have of a set.
func lacking(gc *client.Conn, f *serverFacts, gtids GTIDSet) (GTIDSet, error) {
	variables := []string{"gtid_executed"}
	if f.flavor == MariaDB {
		// What a replica has applied is known without being in its log, in domains that have been quiet since it was set up.
		variables = []string{"gtid_binlog_pos", "gtid_slave_pos"}
	}
	for _, name := range variables {
		text, err := one(gc, "SELECT @@GLOBAL."+name)
		if err != nil {
			return nil, err
		}
		have, err := ParseGTIDSet(f.flavor, text)
		if err != nil {
			return nil, err
		}
		gtids = gtids.Subtract(have)
	}
	return gtids, nil
}
