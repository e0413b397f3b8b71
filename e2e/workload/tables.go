package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// A table is one shape of table with the SQL literals that go into it.
type table struct {
	name   string
	shape  string // what stands between the parentheses of CREATE TABLE
	keys   []string
	values []string
	key    func(r *rand.Rand) []string // one literal per key column, from a space small enough to collide
	value  func(r *rand.Rand) []string // one literal per value column
	auto   bool                        // the server may give the key
}

func (t table) create() string { return "CREATE TABLE `" + t.name + "` (" + t.shape + ")" }

// row is the literals of a new row.
func (t table) row(r *rand.Rand) string {
	key := t.key(r)
	if t.auto && r.IntN(2) == 0 {
		key = []string{"NULL"}
	}
	return "(" + strings.Join(append(key, t.value(r)...), ",") + ")"
}

// insert is a statement that inserts n rows; verb is INSERT, INSERT IGNORE or REPLACE.
func (t table) insert(r *rand.Rand, verb string, n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = t.row(r)
	}
	columns := strings.Join(append(append([]string{}, t.keys...), t.values...), ",")
	return verb + " INTO `" + t.name + "` (" + columns + ") VALUES " + strings.Join(rows, ",")
}

// where selects the row of a key.
func (t table) where(key []string) string { return strings.Join(assign(t.keys, key), " AND ") }

// assign pairs columns and literals with =.
func assign(columns, literals []string) []string {
	out := make([]string, len(columns))
	for i := range columns {
		out[i] = columns[i] + "=" + literals[i]
	}
	return out
}

// tables are the tables of a workload on that server: every kind of key, and every type of column.
func tables(s *servers.Server) []table {
	number := func(n int) func(*rand.Rand) []string {
		return func(r *rand.Rand) []string { return []string{fmt.Sprint(1 + r.IntN(n))} }
	}
	all := []table{
		{
			name: "auto", auto: true, keys: []string{"id"}, values: []string{"k", "c", "v", "ts"}, key: number(2000),
			shape: "id bigint AUTO_INCREMENT PRIMARY KEY, k int, c varchar(32), v decimal(12,2), ts datetime(6)",
			value: func(r *rand.Rand) []string { return []string{integer(r), text(r, 32), decimal(r, 10, 2), moment(r, 6)} },
		},
		{
			name: "hot", keys: []string{"id"}, values: []string{"n", "note"}, key: number(200),
			shape: "id int PRIMARY KEY, n bigint, note varchar(200)",
			value: func(r *rand.Rand) []string { return []string{integer(r), text(r, 120)} },
		},
		{
			name: "composite", keys: []string{"a", "b", "c"}, values: []string{"v"},
			shape: "a int, b varchar(20) COLLATE utf8mb4_general_ci, c date, v int, PRIMARY KEY (b, a, c)",
			key: func(r *rand.Rand) []string {
				return []string{fmt.Sprint(r.IntN(12)), word(r), fmt.Sprintf("'2026-01-%02d'", 1+r.IntN(9))}
			},
			value: func(r *rand.Rand) []string { return []string{integer(r)} },
		},
		{
			name: "ci", keys: []string{"name"}, values: []string{"v"}, key: func(r *rand.Rand) []string { return []string{word(r)} },
			shape: "name varchar(40) COLLATE utf8mb4_general_ci PRIMARY KEY, v text",
			value: func(r *rand.Rand) []string { return []string{text(r, 300)} },
		},
		{
			name: "bin", keys: []string{"k"}, values: []string{"v"}, key: func(r *rand.Rand) []string { return []string{bytes(r, 2)} },
			shape: "k varbinary(16) PRIMARY KEY, v blob",
			value: func(r *rand.Rand) []string { return []string{bytes(r, 60)} },
		},
		{
			name: "uns", keys: []string{"id"}, values: []string{"v"}, shape: "id bigint unsigned PRIMARY KEY, v varchar(50)",
			key:   func(r *rand.Rand) []string { return []string{fmt.Sprint(uint64(1<<63) - 500 + r.Uint64N(1000))} },
			value: func(r *rand.Rand) []string { return []string{text(r, 50)} },
		},
		{
			name: "dec_key", keys: []string{"d"}, values: []string{"v"}, shape: "d decimal(20,4) PRIMARY KEY, v double",
			key:   func(r *rand.Rand) []string { return []string{fmt.Sprintf("%d.%04d", r.IntN(21)-10, r.IntN(60))} },
			value: func(r *rand.Rand) []string { return []string{fmt.Sprint(r.NormFloat64())} },
		},
		{
			name: "dt_key", keys: []string{"ts", "z"}, values: []string{"n"},
			shape: "ts datetime(3), z char(3) COLLATE utf8mb4_bin, n int, PRIMARY KEY (ts, z)",
			key: func(r *rand.Rand) []string {
				return []string{fmt.Sprintf("'2026-03-29 02:%02d:00.%03d'", r.IntN(60), r.IntN(3)), "'" + string(rune('a'+r.IntN(4))) + "'"}
			},
			value: func(r *rand.Rand) []string { return []string{integer(r)} },
		},
		{
			name: "uniq", keys: []string{"u"}, values: []string{"v"}, key: number(500),
			shape: "v varchar(30), u int NOT NULL, UNIQUE KEY (u)",
			value: func(r *rand.Rand) []string { return []string{text(r, 30)} },
		},
		{
			name: "trunc", keys: []string{"id"}, values: []string{"v"}, key: number(300),
			shape: "id int PRIMARY KEY, v varchar(30)",
			value: func(r *rand.Rand) []string { return []string{text(r, 30)} },
		},
		{
			name: "evolve", auto: true, keys: []string{"id"}, values: []string{"base"}, key: number(1000),
			shape: "id bigint AUTO_INCREMENT PRIMARY KEY, base varchar(30)",
			value: func(r *rand.Rand) []string { return []string{text(r, 30)} },
		},
	}
	return append(all, wide(s))
}
