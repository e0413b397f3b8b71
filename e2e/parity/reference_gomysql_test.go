package parity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// readGoMySQL reads log files with go-mysql's parser.
func readGoMySQL(t *testing.T, s *servers.Server, files []string, database string, tables map[string]*schema.Table) reading {
	t.Helper()
	all := reading{}
	p := replication.NewBinlogParser()
	if s.Flavour == servers.FlavourMariaDB {
		p.SetFlavor(gomysql.MariaDBFlavor)
	}
	p.SetVerifyChecksum(true)
	p.SetTimestampStringLocation(time.UTC)
	p.SetRenderJSONAsMySQLText(true)
	p.SetRowsEventDecodeFunc(func(e *replication.RowsEvent, data []byte) error {
		pos, err := e.DecodeHeader(data)
		if err == nil {
			err = e.DecodeData(pos, data)
		}
		if string(e.Table.Schema) != database {
			return nil
		}
		if packs(tables[string(e.Table.Table)]) && err != nil && strings.Contains(err.Error(), "unsupport type 14") {
			e.Rows = nil
		} else if err != nil {
			t.Errorf("go-mysql: %s: %v", e.Table.Table, err)
		}
		return nil
	})
	for _, file := range files {
		err := p.ParseFile(file, 0, func(ev *replication.BinlogEvent) error {
			if e, ok := ev.Event.(*replication.RowsEvent); ok && string(e.Table.Schema) == database {
				name := string(e.Table.Table)
				all[name] = append(all[name], imagesOf(e, tables[name])...)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("go-mysql: read %s: %v", file, err)
		}
	}
	return all
}

func imagesOf(e *replication.RowsEvent, table *schema.Table) []image {
	ops := map[replication.EnumRowsEventType][]string{
		replication.EnumRowsEventTypeInsert: {"insert"}, replication.EnumRowsEventTypeDelete: {"delete"},
		replication.EnumRowsEventTypeUpdate: {"before", "after"},
	}[e.Type()]
	var all []image
	for i, values := range e.Rows {
		im := image{op: ops[i%len(ops)]}
		for k, v := range values {
			im.values = append(im.values, fromGoMySQL(&table.Columns[k], v))
		}
		all = append(all, im)
	}
	return all
}

// fromGoMySQL spells a value of go-mysql as this program's values are spelled.
func fromGoMySQL(c *schema.Column, v any) string {
	switch v := v.(type) {
	case nil:
		return null
	case float32:
		return "bits " + strconv.FormatUint(uint64(math.Float32bits(v)), 16)
	case float64:
		return "bits " + strconv.FormatUint(math.Float64bits(v), 16)
	case []byte:
		return logged(c, v)
	case string:
		return textOfGoMySQL(c, v)
	}
	n, err := strconv.ParseUint(fmt.Sprint(v), 10, 64)
	if signed, e := strconv.ParseInt(fmt.Sprint(v), 10, 64); e == nil {
		n, err = uint64(signed), nil
	}
	switch {
	case err != nil:
		return fmt.Sprintf("%T %v", v, v)
	case c.Type.Kind == schema.Enum || c.Type.Kind == schema.Set:
		return labelled(c, n)
	}
	return wordText(c, n)
}

func textOfGoMySQL(c *schema.Column, text string) string {
	switch c.Type.Kind {
	case schema.Decimal:
		return decimalText(c, text)
	case schema.Date, schema.Datetime, schema.Timestamp:
		return dateText(c, text)
	case schema.Time:
		return timeText(text)
	case schema.JSON:
		return text
	}
	return logged(c, []byte(text))
}
