package iceberg

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
)

// Rows are rows of a table as text, for people and tests. NULL is "NULL", bytes are hex, instants are in UTC.
type Rows struct {
	Columns []string
	Rows    [][]string
}

// Peek reads up to limit rows of a table as it stands, all for a limit of 0, through iceberg-go's scan.
func (s *Sink) Peek(ctx context.Context, n schema.Name, limit int) (Rows, error) {
	tbl, err := s.load(ctx, n)
	if err != nil {
		return Rows{}, err
	}
	if tbl == nil {
		return Rows{}, tableError(n, errors.New("there is no such Iceberg table"))
	}
	var out Rows
	for _, f := range tbl.Schema().Fields() {
		out.Columns = append(out.Columns, f.Name)
	}
	scan := tbl.Scan(table.WithMaxConcurrency(1))
	if limit > 0 {
		scan = tbl.Scan(table.WithMaxConcurrency(1), table.WithLimit(int64(limit)))
	}
	_, records, err := scan.ToArrowRecords(ctx)
	if err != nil {
		return out, fmt.Errorf("scan %s: %w", n, err)
	}
	for rec, err := range records {
		if err != nil {
			return out, fmt.Errorf("scan %s: %w", n, err)
		}
		out.Rows = appendRows(out.Rows, rec)
		rec.Release()
	}
	return out, nil
}

func appendRows(rows [][]string, rec arrow.RecordBatch) [][]string {
	for i := range int(rec.NumRows()) {
		r := make([]string, rec.NumCols())
		for c := range r {
			r[c] = text(rec.Column(c), i)
		}
		rows = append(rows, r)
	}
	return rows
}

// text spells one value.
func text(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "NULL"
	}
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return "1"
		}
		return "0"
	case *array.Float32:
		return strconv.FormatFloat(float64(a.Value(i)), 'g', -1, 32)
	case *array.Float64:
		return strconv.FormatFloat(a.Value(i), 'g', -1, 64)
	case *array.Date32:
		return time.Unix(int64(a.Value(i))*86400, 0).UTC().Format("2006-01-02")
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(i))).UTC().Format("2006-01-02T15:04:05.000000")
	case *array.Decimal128:
		return decimalText(a.Value(i).BigInt(), int(a.DataType().(*arrow.Decimal128Type).Scale))
	case *array.Binary:
		return hex.EncodeToString(a.Value(i))
	case *array.String:
		return a.Value(i)
	case *extensions.UUIDArray:
		return a.Value(i).String()
	}
	return a.ValueStr(i)
}

func decimalText(u *big.Int, scale int) string {
	p := make([]byte, 16)
	m := new(big.Int).Set(u)
	if m.Sign() < 0 {
		m.Add(m, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	m.FillBytes(p)
	for i := range 8 {
		p[i], p[15-i] = p[15-i], p[i]
	}
	return string(appendDecimal(nil, p, scale))
}
