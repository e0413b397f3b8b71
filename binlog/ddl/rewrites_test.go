package ddl

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/schema"
)

// columnOf reads the definition of a column.
func columnOf(t *testing.T, definition string) *schema.Column {
	t.Helper()
	sts := Parse("create table t (c "+definition+") charset utf8mb4", Mode{})
	if sts[0].Create == nil {
		t.Fatalf("%s: %s", definition, sts[0].Reason)
	}
	table, err := sts[0].Create.Shape(sts[0].Table, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return &table.Columns[0]
}

func TestRewrites(t *testing.T) {
	const (
		never = iota
		lax   // only when the server is not strict
		always
	)
	for _, c := range []struct {
		before, after string
		want          int
	}{
		{"int", "bigint", never},
		{"int", "smallint", lax},
		{"int unsigned", "bigint", never},
		{"int unsigned", "int", always},
		{"int", "varchar(20)", always},
		{"int", "int not null", lax},
		{"int not null", "int", never},
		{"float", "double", never},
		{"double", "float", always},
		{"decimal(10,2)", "decimal(12,2)", never},
		{"decimal(10,2)", "decimal(12,4)", never},
		{"decimal(10,2)", "decimal(10,4)", lax},
		{"decimal(10,2)", "decimal(12,1)", always},
		{"varchar(10)", "varchar(20)", never},
		{"varchar(20)", "varchar(10)", lax},
		{"varchar(20)", "text", never},
		{"varchar(20)", "char(20)", always},
		{"char(20)", "varchar(20)", never},
		{"text", "tinytext", lax},
		{"text", "longtext", never},
		{"varchar(9)", "varchar(9) charset latin1", lax},
		{"varchar(9) charset latin1", "varchar(9)", never},
		{"varchar(9) charset ascii", "varchar(9) charset latin1", never},
		{"varchar(9)", "varchar(9) charset utf8mb3", lax},
		{"varchar(9)", "varbinary(36)", always},
		{"binary(4)", "binary(8)", always},
		{"binary(4)", "varbinary(8)", always},
		{"varbinary(4)", "varbinary(8)", never},
		{"varbinary(4)", "blob", never},
		{"enum('a','b')", "enum('a','b','c')", never},
		{"enum('a','b')", "enum('b','a')", never},
		{"enum('a','b')", "enum('a')", always},
		{"set('a','b')", "set('a','x','b')", never},
		{"set('a','b')", "set('b','a')", always},
		{"datetime", "datetime(6)", never},
		{"datetime(6)", "datetime(3)", always},
		{"timestamp null", "datetime", always},
		{"bit(4)", "bit(8)", never},
		{"json", "text", always},
	} {
		before, after := columnOf(t, c.before), columnOf(t, c.after)
		if got := Rewrites(before, after, true) != ""; got != (c.want == always) {
			t.Errorf("%s to %s, strict: got %v (%s)", c.before, c.after, got, Rewrites(before, after, true))
		}
		if got := Rewrites(before, after, false) != ""; got != (c.want != never) {
			t.Errorf("%s to %s, not strict: got %v (%s)", c.before, c.after, got, Rewrites(before, after, false))
		}
	}
}

func TestParseType(t *testing.T) {
	for native, want := range map[string]string{
		"int(10) unsigned zerofill": "Uint32", "tinyint(1)": "Int8", "bit(1)": "Bit1", "decimal(12,2)": "Decimal(12,2)",
		"decimal": "Decimal(10,0)", "serial": "Uint64", "uuid": "UUID", "inet6": "String", "inet4": "String", "vector(3)": "Vector(3)",
		"json": "JSON", "longtext": "String", "point": "Geometry", "geometrycollection": "Geometry", "year(4)": "Year", "year": "Year",
		"datetime(6)": "Datetime(6)", "national varchar(10)": "String", "double precision": "Float64", "float(24)": "Float32",
		"float(25)": "Float64", "float(53)": "Float64", "float(7,3)": "Float32", "boolean": "Int8", "long varchar": "String",
		"char byte": "Binary(1)", "char(10) binary": "String", "enum('a','it''s','b,c')": "Enum", "set('x')": "Set",
		"varchar(10) /*M!100301 COMPRESSED*/": "String", "timestamp /* mariadb-5.3 */": "Timestamp(0)", "MEDIUMINT(8) UNSIGNED": "Uint24",
		"binary(16)": "Binary(16)", "varbinary(16)": "Binary", "longblob": "Binary", "time(3)": "Time(3)",
	} {
		got, _, err := ParseType(native, "utf8mb4")
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", native, got, err, want)
		}
	}
	if got, _, err := ParseType("char(4)", "binary"); err != nil || got != (schema.Type{Kind: schema.Binary, Length: 4}) {
		t.Errorf("char(4) of character set binary: got %v, %v", got, err)
	}
	_, labels, err := ParseType(`enum('a','it''s','b,c','\\','')`, "utf8mb4")
	if want := []string{"a", "it's", "b,c", `\`, ""}; err != nil || !slices.Equal(labels, want) {
		t.Errorf("got labels %q, %v, want %q", labels, err, want)
	}
	if TypeFlags("varchar(10) /*M!100301 COMPRESSED*/") != schema.Compressed || TypeFlags("varchar(10)") != 0 {
		t.Error("COMPRESSED is not seen")
	}
}

// TestParseType_Unknown wants errors that name the type.
func TestParseType_Unknown(t *testing.T) {
	for native, want := range map[string]string{
		"xmltype": `read type "xmltype": type "xmltype" is not known`, "int frob": `read type "int frob": "frob" is not expected`,
		"": `read type "": type "" is not known`, "enum": `type "enum" has no labels`, "decimal(99,1)": `decimal(99,1) is out of range`,
		"bit(65)": `bit(65) is out of range`, "enum('a": `read type "enum('a": a quote is not closed`, "int(": `read type "int(": the text ends too early`,
	} {
		if _, _, err := ParseType(native, ""); err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", native, err, want)
		}
	}
}
