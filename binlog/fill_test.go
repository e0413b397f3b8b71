package binlog_test

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// TestStream_Fill holds that what the edits say of an added column is what the server has put into the rows.
func TestStream_Fill(t *testing.T) {
	columns := []string{
		"int DEFAULT -7", "int unsigned NOT NULL", "bigint NULL DEFAULT 9223372036854775807", "tinyint DEFAULT TRUE", "float DEFAULT 1.5", "double NOT NULL DEFAULT '-0.25'",
		"decimal(12,2) DEFAULT '-1.50'", "decimal(12,2) NOT NULL", "decimal(38,10) DEFAULT -12345678901234567890.5", "decimal(5,1) DEFAULT 2.50",
		"year DEFAULT 2026", "bit(5) DEFAULT b'101'", "bit(3) NOT NULL", "date DEFAULT '2026-01-31'", "date NOT NULL", "datetime(3) DEFAULT '2026-01-31 01:02:03.5'",
		"datetime DEFAULT '1999-12-31 23:59:59'", "time DEFAULT '-10:11:12'", "time(6) DEFAULT '838:59:58.000001'", "time NOT NULL",
		"varchar(20) DEFAULT 'it''s é'", "varchar(20) NOT NULL", "varchar(20) NULL", "char(4) DEFAULT 'ab'", "binary(4) DEFAULT x'0102'", "varbinary(4) NOT NULL",
		"enum('a','b') NOT NULL", "enum('a','b') DEFAULT 'b'", "set('a','b','c') DEFAULT 'c,a'", "set('a','b') NOT NULL", "text NULL",
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		db := s.Database(t)
		from := head(t, s)
		statements := []string{"SET SESSION sql_mode = 'STRICT_TRANS_TABLES'", "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)"}
		for i, c := range columns {
			statements = append(statements, fmt.Sprintf("ALTER TABLE a ADD COLUMN v%d %s", i, c))
		}
		script(t, s, db, statements...)
		changes := 0
		for _, ev := range until(t, open(t, s, db, from), head(t, s)) {
			if ev.Stopped != nil {
				t.Fatal(ev.Stopped)
			}
			if ev.Schema == nil || ev.Schema.Before == nil {
				continue
			}
			name := fmt.Sprintf("v%d", changes)
			i := ev.Schema.After.Column(name)
			typ := ev.Schema.After.Columns[i].Type
			s.Exec(t, fmt.Sprintf("CREATE VIEW `%s`.w%d AS SELECT id, %s AS v FROM `%[1]s`.a", db, changes, name))
			want := printed(t, s, db, fmt.Sprintf("w%d", changes), typ)[0]
			if got := fillText(typ, ev.Schema.Edits[0].Fill); got != want {
				t.Errorf("%s: got %s, want %s", columns[changes], got, want)
			}
			changes++
		}
		if changes != len(columns) {
			t.Errorf("got %d changes, want %d", changes, len(columns))
		}
	})
}

func fillText(typ schema.Type, v *schema.Value) string {
	if v == nil {
		return "NULL"
	}
	b := row.New(&schema.Table{Columns: []schema.Column{{Type: typ}}})
	if typ.Fixed() {
		b.Cols[0].AppendWord(v.Word)
	} else {
		b.Cols[0].AppendBytes(v.Bytes)
	}
	return valueText(typ, &b.Cols[0], 0)
}
