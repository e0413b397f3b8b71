package iceberg

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/iceberg-go"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// A partitionField is one "transform(column)" of partition.key.
type partitionField struct {
	column    string
	transform iceberg.Transform
}

// parsePartitionKey reads partition.key: "shop.orders:day(created_at),bucket[16](id);shop.users:id", by table.
func parsePartitionKey(text string) (map[string][]partitionField, error) {
	specs := map[string][]partitionField{}
	for item := range strings.SplitSeq(text, ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, list, ok := strings.Cut(item, ":")
		name = strings.TrimSpace(name)
		if !ok || !strings.Contains(name, ".") {
			return nil, fmt.Errorf("%q: write namespace.table:column,day(column),bucket[16](column)", item)
		}
		for f := range strings.SplitSeq(list, ",") {
			field, err := parsePartitionField(strings.TrimSpace(f))
			if err != nil {
				return nil, fmt.Errorf("%q: %w", item, err)
			}
			specs[name] = append(specs[name], field)
		}
	}
	return specs, nil
}

func parsePartitionField(text string) (partitionField, error) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok {
		if text == "" {
			return partitionField{}, fmt.Errorf("a column is missing")
		}
		return partitionField{text, iceberg.IdentityTransform{}}, nil
	}
	column, closed := strings.CutSuffix(rest, ")")
	t, err := iceberg.ParseTransform(strings.TrimSpace(name))
	if _, unknown := t.(iceberg.UnknownTransform); err != nil || unknown || !closed || column == "" {
		return partitionField{}, fmt.Errorf("%q: the transforms are year, month, day, hour, bucket[N], truncate[N] and identity, as day(column)", text)
	}
	return partitionField{strings.TrimSpace(column), t}, nil
}

// newSpec builds the partition spec of a new table.
func newSpec(t *schema.Table, sc *iceberg.Schema, fields []partitionField) (*iceberg.PartitionSpec, error) {
	var opts []iceberg.PartitionOption
	for _, f := range fields {
		src, ok := sc.FindFieldByName(f.column)
		if !ok {
			return nil, fmt.Errorf("partition.key names column %s, which the table does not have: %s", f.column, t)
		}
		if !f.transform.CanTransform(src.Type) {
			return nil, fmt.Errorf("partition.key: %s does not work on column %s of type %s", f.transform, f.column, src.Type)
		}
		name := f.column
		if _, identity := f.transform.(iceberg.IdentityTransform); !identity {
			kind, _, _ := strings.Cut(f.transform.String(), "[")
			name += "_" + kind
		}
		opts = append(opts, iceberg.AddPartitionFieldBySourceID(src.ID, name, f.transform, sc, nil))
	}
	spec, err := iceberg.NewPartitionSpecOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("partition.key: %w", err)
	}
	return &spec, nil
}

// A partition is where files of equal partition values go.
type partition struct {
	values map[int]any // by partition field id
	folder string      // ends in a slash, or is empty
	rows   []uint32    // scratch: the rows of one batch that belong here
}

// A partitioner sorts rows into partitions.
type partitioner struct {
	fields []partitionSource
	known  map[string]*partition
	hit    []*partition
	key    []byte
}

type partitionSource struct {
	iceberg.PartitionField
	column column
}

// newPartitioner returns the partitioner of a spec for batches that have these columns.
func newPartitioner(spec *iceberg.PartitionSpec, cols []column) *partitioner {
	p := &partitioner{known: map[string]*partition{}}
	for _, f := range spec.Fields() {
		for _, c := range cols {
			if _, void := f.Transform.(iceberg.VoidTransform); c.field.ID == f.SourceID() && !void {
				p.fields = append(p.fields, partitionSource{f, c})
			}
		}
	}
	return p
}

// split returns the partitions of the rows of b, each with its rows.
func (p *partitioner) split(b *row.Batch) []*partition {
	for _, h := range p.hit {
		h.rows = h.rows[:0]
	}
	p.hit = p.hit[:0]
	for i := range b.Len() {
		p.place(b, uint32(i))
	}
	return p.hit
}

func (p *partitioner) place(b *row.Batch, i uint32) {
	p.key = p.key[:0]
	values := make([]iceberg.Optional[iceberg.Literal], len(p.fields))
	for n, f := range p.fields {
		v := &b.Cols[f.column.index]
		if !v.Null(int(i)) {
			values[n] = f.Transform.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: literal(&f.column, v, int(i))})
		}
		if values[n].Valid {
			text := values[n].Val.String()
			p.key = fmt.Appendf(p.key, "%d:%s", len(text), text)
		} else {
			p.key = append(p.key, '-')
		}
	}
	part, ok := p.known[string(p.key)]
	if !ok {
		part = p.newPartition(values)
		p.known[string(p.key)] = part
	}
	if len(part.rows) == 0 {
		p.hit = append(p.hit, part)
	}
	part.rows = append(part.rows, i)
}

func (p *partitioner) newPartition(values []iceberg.Optional[iceberg.Literal]) *partition {
	part := &partition{values: map[int]any{}}
	for n, f := range p.fields {
		text := "null"
		if values[n].Valid {
			part.values[f.FieldID] = values[n].Val.Any()
			text = f.Transform.ToHumanStrType(f.Transform.ResultType(f.column.field.Type), values[n].Val.Any())
		}
		part.folder += folder(f.Name) + "=" + folder(text) + "/"
	}
	return part
}

// literal returns a value as iceberg-go's transforms take it.
func literal(c *column, v *row.Vector, i int) iceberg.Literal {
	switch t := c.field.Type.(type) {
	case iceberg.Int32Type:
		return iceberg.Int32Literal(int32(v.Words[i]))
	case iceberg.Int64Type:
		return iceberg.Int64Literal(int64(v.Words[i]))
	case iceberg.DateType:
		return iceberg.DateLiteral(int32(v.Words[i]))
	case iceberg.TimestampType, iceberg.TimestampTzType:
		return iceberg.TimestampLiteral(int64(v.Words[i]))
	case iceberg.BooleanType:
		return iceberg.BoolLiteral(v.Words[i]&1 == 1)
	case iceberg.DecimalType:
		return iceberg.DecimalLiteral{Val: decimalOf(c, v, i), Scale: t.Scale()}
	case iceberg.UUIDType:
		return iceberg.UUIDLiteral(v.Value(i))
	}
	p := spellOrTake(c, v, i)
	if _, ok := c.field.Type.(iceberg.StringType); ok {
		return iceberg.StringLiteral(p)
	}
	return iceberg.BinaryLiteral(p)
}

func decimalOf(c *column, v *row.Vector, i int) decimal128.Num {
	switch c.form {
	case formDecimalWord:
		return decimal128.FromI64(int64(v.Words[i]))
	case formDecimalUint:
		return decimal128.FromU64(v.Words[i])
	default:
		return decimal128.New(int64(littleEndian(v.Value(i)[8:])), littleEndian(v.Value(i)))
	}
}

func littleEndian(p []byte) (w uint64) {
	for i := range 8 {
		w |= uint64(p[i]) << (8 * i)
	}
	return w
}

func spellOrTake(c *column, v *row.Vector, i int) []byte {
	if c.form == formBytes {
		return v.Value(i)
	}
	return spellValue(nil, c, v, i)
}
