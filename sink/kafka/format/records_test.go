package format

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format/formattest"
)

// changesOf are changes of the customers table with all ops.
func changesOf(b *row.Batch) []Change {
	appendRow(b, row.Insert, 1004, "Anne", "Kretchmar", "annek@noanswer.org")
	appendRow(b, row.Before, 1004, "Anne", nil, "annek@noanswer.org")
	appendRow(b, row.After, 1004, "Anne Marie", "Kretchmar", "annek@noanswer.org")
	appendRow(b, row.Delete, 1004, absent{}, absent{}, absent{})
	return []Change{
		{Op: Create, Batch: b, Before: -1, After: 0, Now: made},
		{Op: Update, Batch: b, Before: 1, After: 2, Now: made},
		{Op: Delete, Batch: b, Before: 3, After: -1, Now: made},
		{Op: Truncate, Batch: b, Before: -1, After: -1, Now: made},
		{Op: Read, Batch: b, Before: -1, After: 0, Now: made},
	}
}

func TestCanal_Customers(t *testing.T) {
	table := customers()
	f, err := NewCanal(CanalConfig{})
	e := encoderOf(t, f, err, table)
	var got []byte
	for _, c := range changesOf(row.New(table)) {
		got = append(got, encode(t, e, &c)...)
	}
	golden(t, "canal/customers.txt", got)
}

func TestPlain_Customers(t *testing.T) {
	table := customers()
	f, err := NewPlain(PlainConfig{})
	e := encoderOf(t, f, err, table)
	var got []byte
	for _, c := range changesOf(row.New(table)) {
		got = append(got, encode(t, e, &c)...)
	}
	golden(t, "plain/customers.txt", got)
}

// others are the formats without schema, in all their modes.
func others(t *testing.T) map[string]Format {
	all := map[string]Format{}
	add := func(name string, f Format, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all[name] = f
	}
	f, err := NewCanal(CanalConfig{})
	add("canal/kinds", f, err)
	f, err = NewCanal(CanalConfig{BinaryMode: BinaryBase64})
	add("canal/kinds-base64", f, err)
	f, err = NewPlain(PlainConfig{})
	add("plain/kinds", f, err)
	f, err = NewPlain(PlainConfig{DecimalMode: DecimalDouble, BinaryMode: BinaryHex})
	add("plain/kinds-double", f, err)
	return all
}

func TestOthers_Kinds(t *testing.T) {
	for name, f := range others(t) {
		table, b := corpus()
		e := encoderOf(t, f, nil, table)
		var got []byte
		for i := range b.Len() {
			record := encode(t, e, &Change{Op: Update, Batch: b, Before: (i + 1) % 3, After: i, Now: made})
			for line := range strings.Lines(string(record)) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: no JSON: %s", name, line)
				}
			}
			got = append(got, record...)
		}
		golden(t, name+".txt", got)
	}
}

func TestOthers_Allocs(t *testing.T) {
	for name, f := range others(t) {
		table, b := corpus()
		e := encoderOf(t, f, nil, table)
		change := &Change{Op: Update, Batch: b, Before: 1, After: 0, Now: made}
		var dst []byte
		got := testing.AllocsPerRun(100, func() {
			var err error
			if dst, err = e.AppendKey(dst[:0], b, 0); err == nil {
				dst, err = e.AppendValue(dst, change)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("%s: %v allocations for a row, want none", name, got)
		}
	}
}

// TestCanal_Old folds old over data as Flink does: what old lacks is as it is now.
func TestCanal_Old(t *testing.T) {
	table, b := corpus()
	f, err := NewCanal(CanalConfig{})
	e := encoderOf(t, f, err, table)
	data := func(c *Change) (now, old map[string]any) {
		value, err := e.AppendValue(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Data, Old []map[string]any }
		if err := json.Unmarshal(value, &m); err != nil {
			t.Fatal(err)
		}
		now = m.Data[0]
		if m.Old == nil {
			return now, nil
		}
		return now, m.Old[0]
	}
	for i := range b.Len() {
		before := (i + 1) % 3
		want, _ := data(&Change{Op: Delete, Batch: b, Before: before, After: -1})
		now, old := data(&Change{Op: Update, Batch: b, Before: before, After: i})
		for name, x := range old {
			if reflect.DeepEqual(x, now[name]) {
				t.Errorf("old has %s, which did not change", name)
			}
			now[name] = x
		}
		if !reflect.DeepEqual(now, want) {
			t.Errorf("got %v, want %v", now, want)
		}
	}
}

// TestOthers_NotLogged refuses rows as they are now of which something was not logged.
func TestOthers_NotLogged(t *testing.T) {
	table := customers()
	b := row.New(table)
	appendRow(b, row.Insert, 1, "Anne", absent{}, "a@x")
	for name, f := range others(t) {
		e := encoderOf(t, f, nil, table)
		if _, err := e.AppendValue(nil, &Change{Op: Create, Batch: b, Before: -1, After: 0}); err == nil || !strings.Contains(err.Error(), "last_name") {
			t.Errorf("%s: got %v, want an error that names last_name", name, err)
		}
	}
}

func TestKeyless(t *testing.T) {
	table := customers()
	table.Key = nil
	b := row.New(table)
	appendRow(b, row.Insert, 1, "Anne", "K", "a@x")
	all := others(t)
	all["debezium"], _ = NewDebezium(modes()["default"])
	for name, f := range all {
		e := encoderOf(t, f, nil, table)
		if key, err := e.AppendKey(nil, b, 0); err != nil || len(key) > 0 {
			t.Errorf("%s: got the key %s (%v), want none", name, key, err)
		}
	}
}

func TestSchemaChange(t *testing.T) {
	kinds, _ := corpus()
	after := customers()
	renamed := *after
	renamed.Name.Table = "clients"
	changes := []schema.Change{
		{After: kinds},
		{Before: after, After: after, Statement: "ALTER TABLE customers ADD middle_name varchar(255) AFTER first_name", Origin: origin, Time: committed},
		{Before: after, After: &renamed, Statement: "RENAME TABLE customers TO clients", Edits: []schema.Edit{{Kind: schema.RenameTable}}, Origin: origin, Time: committed},
		{Before: after, After: after, Statement: "TRUNCATE customers", Edits: []schema.Edit{{Kind: schema.TruncateTable}}, Origin: origin, Time: committed},
		{Before: after, Statement: "DROP TABLE `customers` /* <&> */", Origin: origin, Time: committed},
	}
	for name, with := range map[string]bool{"plain": false, "schema": true} {
		c := mysqlConfig()
		c.IncludeSchema = with
		var got []byte
		for i := range changes {
			key, value, err := SchemaChange(c, &changes[i], made)
			if err != nil {
				t.Fatal(err)
			}
			got = append(append(append(append(got, key...), '\n'), value...), '\n')
			if with {
				checkSchema(t, key)
				checkSchema(t, value)
			}
		}
		golden(t, "schemachange/"+name+".txt", got)
	}
}

func TestTransactionAndHeartbeat(t *testing.T) {
	bare := schema.Origin{Seq: origin.Seq, File: origin.File}
	for name, with := range map[string]bool{"plain": false, "schema": true} {
		c := mysqlConfig()
		c.IncludeSchema = with
		var got []byte
		add := func(key, value []byte, err error) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(append(append(append(got, key...), '\n'), value...), '\n')
			if with {
				checkSchema(t, key)
				checkSchema(t, value)
			}
		}
		add(TransactionBegin(c, &origin, committed))
		add(TransactionEnd(c, &origin, committed, []TableCount{{schema.Name{Namespace: "s1", Table: "a"}, 1}, {schema.Name{Namespace: "s2", Table: "a"}, 2}}))
		add(TransactionBegin(c, &bare, committed))
		add(TransactionEnd(c, &bare, committed, nil))
		add(Heartbeat(c, made))
		golden(t, "transaction/"+name+".txt", got)
	}
}

// checkSchema checks that a payload has what its schema says, in all depths.
func checkSchema(t *testing.T, record []byte) {
	t.Helper()
	s, payload, err := formattest.Parse(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := formattest.Check(s, payload); err != nil {
		t.Errorf("%v in %s", err, record)
	}
}

func BenchmarkCanal_Create(b *testing.B) {
	f, err := NewCanal(CanalConfig{})
	benchmarkCreate(b, f, err)
}

func BenchmarkPlain_Create(b *testing.B) {
	f, err := NewPlain(PlainConfig{})
	benchmarkCreate(b, f, err)
}
