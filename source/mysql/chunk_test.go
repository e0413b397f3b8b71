package mysql

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

// A keyCase is a key definition and a statement that inserts rows with a spread of its values, each once.
type keyCase struct {
	name    string
	columns string // before ", n INT, KEY..."
	key     string
	values  []string // rows of the key columns, as SQL
	flavour servers.Flavour
	since   int // the server's version
}

func keyCases() []keyCase {
	words := func(charset string, texts ...string) []string {
		var out []string
		for _, t := range texts {
			out = append(out, fmt.Sprintf("CONVERT(%s USING %s)", literal(t), charset))
		}
		return out
	}
	var ascii, cased, unicode, padded []string
	for i := range 200 {
		ascii = append(ascii, fmt.Sprintf("key %c%03d", 'a'+rune(i%26), i*37%200))
	}
	for i := range 60 {
		cased = append(cased, strings.ToUpper(fmt.Sprintf("%c%d", 'a'+rune(i%26), i)), fmt.Sprintf("%c%dx", 'a'+rune(i%26), i))
		unicode = append(unicode, fmt.Sprintf("%c%c%d", rune(0xe0+i%30), rune(0x4e00+i*7), i), fmt.Sprintf("z%c", rune(0x1f600+i)))
		padded = append(padded, "p"+strings.Repeat("a", i), "p"+strings.Repeat("b", i+1)+"\t")
	}
	return []keyCase{
		{name: "int", columns: "k INT", key: "k", values: numbers(-2147483648, -5, -1, 0, 1, 2, 77, 2147483647)},
		{name: "tinyint", columns: "k TINYINT", key: "k", values: numbers(-128, -1, 0, 1, 127)},
		{name: "smallint unsigned", columns: "k SMALLINT UNSIGNED", key: "k", values: numbers(0, 1, 65535)},
		{name: "mediumint", columns: "k MEDIUMINT", key: "k", values: numbers(-8388608, -1, 0, 8388607)},
		{name: "bigint unsigned", columns: "k BIGINT UNSIGNED", key: "k", values: []string{"0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"}},
		{name: "bigint", columns: "k BIGINT", key: "k", values: []string{"-9223372036854775808", "-1", "0", "9223372036854775807"}},
		{name: "decimal", columns: "k DECIMAL(40,10)", key: "k", values: []string{"-123456789012345678901234567890.0000000001", "-0.5", "0", "0.0000000001", "1", "99.99", "123456789012345678901234567890"}},
		{name: "double", columns: "k DOUBLE", key: "k", values: []string{"-1e300", "-0.1", "0", "0.1", "0.30000000000000004", "1e300"}},
		{name: "float", columns: "k FLOAT", key: "k", values: []string{"-1e30", "-0.1", "0", "0.1", "0.3", "16777217", "1e30"}},
		{name: "bit", columns: "k BIT(20)", key: "k", values: []string{"0", "1", "b'10000000000000000001'", "b'11111111111111111111'"}},
		{name: "year", columns: "k YEAR", key: "k", values: []string{"1901", "1999", "2000", "2026", "2155"}},
		{name: "date", columns: "k DATE", key: "k", values: []string{"'0001-01-01'", "'1969-12-31'", "'1970-01-01'", "'2024-02-29'", "'9999-12-31'"}},
		{name: "datetime", columns: "k DATETIME(6)", key: "k", values: []string{"'1000-01-01 00:00:00'", "'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000002'", "'9999-12-31 23:59:59.999999'"}},
		{name: "timestamp", columns: "k TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01 00:00:00'", key: "k", values: []string{"'1970-01-01 00:00:01'", "'2026-03-29 01:30:00.123'", "'2026-10-25 01:30:00.124'", "'2038-01-19 03:14:07.999'"}},
		{name: "time", columns: "k TIME(6)", key: "k", values: []string{"'-838:59:59'", "'-00:00:00.000001'", "'00:00:00'", "'00:00:00.000001'", "'838:59:59'"}},
		{name: "times of day", columns: "k TIME(6)", key: "k", values: spread(60, func(r *rand.Rand) string {
			return fmt.Sprintf("SEC_TO_TIME(%d.%06d)", r.IntN(4)*r.IntN(86400)-r.IntN(9000), r.IntN(1_000_000))
		})},
		{name: "datetimes", columns: "k DATETIME(6)", key: "k", values: spread(60, func(r *rand.Rand) string {
			return fmt.Sprintf("'%04d-0%d-1%d %02d:00:00.%06d'", 1000+r.IntN(8999), 1+r.IntN(9), r.IntN(9), r.IntN(24), r.IntN(1_000_000))
		})},
		{name: "decimals", columns: "k DECIMAL(65,30)", key: "k", values: spread(60, func(r *rand.Rand) string {
			return fmt.Sprintf("%d.%018d%012d", int64(r.Uint64()), r.Uint64N(1e18), r.Uint64N(1e12))
		})},
		{name: "set of 64", columns: "k SET('l0'" + labels(1, 64) + ")", key: "k", values: []string{"0", "1", "3", "1 << 62", "1 << 63", "(1 << 63) + 1", "~0", "(1 << 63) - 1"}},
		{name: "enum", columns: "k ENUM('z','a','M','b')", key: "k", values: []string{"'z'", "'a'", "'M'", "'b'"}},
		{name: "enum of ucs2", columns: "k ENUM('z','é','x','b') CHARACTER SET ucs2", key: "k", values: []string{"'z'", "'é'", "'x'", "'b'"}},
		{name: "set", columns: "k SET('z','a','M','b')", key: "k", values: []string{"''", "'z'", "'a'", "'z,a'", "'b'", "'z,a,M,b'", "'M,b'"}},
		{name: "ascii", columns: "k VARCHAR(30) CHARACTER SET ascii", key: "k", values: words("ascii", ascii...)},
		{name: "latin1", columns: "k VARCHAR(90) CHARACTER SET latin1", key: "k", values: append(words("latin1", cased...), words("latin1", "é1", "e2", "ÿ", "ß", "ss", "Æ", "zz")...)},
		{name: "latin1 german", columns: "k VARCHAR(90) CHARACTER SET latin1 COLLATE latin1_german2_ci", key: "k", values: words("latin1", "ä", "b", "ö1", "oe2", "ß", "st", "Z", "ü")},
		{name: "latin1 bin", columns: "k CHAR(90) CHARACTER SET latin1 COLLATE latin1_bin", key: "k", values: words("latin1", "A", "a", "é", "É", "Z", "z")},
		{name: "utf8mb4 unicode", columns: "k VARCHAR(90) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", key: "k", values: words("utf8mb4", append(cased, "straße", "über", "öl", "日本", "日本語")...)},
		{name: "utf8mb4 bin", columns: "k VARCHAR(90) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", key: "k", values: words("utf8mb4", append(unicode, "a", "A", "é", "e\u0301")...)},
		{name: "utf8mb4 general", columns: "k VARCHAR(90) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", key: "k", values: words("utf8mb4", padded...)},
		{name: "utf8mb3", columns: "k VARCHAR(90) CHARACTER SET utf8", key: "k", values: words("utf8", append(cased, "日本", "é")...)},
		{name: "gbk", columns: "k VARCHAR(90) CHARACTER SET gbk", key: "k", values: words("gbk", append(cased, "中国", "北京", "上海", "你好")...)},
		{name: "sjis", columns: "k VARCHAR(90) CHARACTER SET sjis", key: "k", values: words("sjis", append(cased, "日本", "表示", "ソース")...)},
		{name: "ucs2", columns: "k VARCHAR(90) CHARACTER SET ucs2", key: "k", values: words("ucs2", append(cased, "日本", "é")...)},
		{name: "binary", columns: "k BINARY(5)", key: "k", values: []string{"'a'", "x'0000000000'", "x'61ff'", "x'ffffffffff'", "'ab'"}},
		{name: "varbinary", columns: "k VARBINARY(300)", key: "k", values: []string{"''", "x'00'", "x'0000'", "'a'", "'a '", "x'ff'", "REPEAT('q', 300)"}},
		{name: "uuid", columns: "k UUID", key: "k", flavour: servers.FlavourMariaDB, since: 100700, values: []string{"'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-fffffffffffe'", "'00000000-0000-0000-0000-000000000001'", "'123e4567-e89b-42d3-a456-426655440001'"}},
		{name: "inet6", columns: "k INET6", key: "k", flavour: servers.FlavourMariaDB, values: []string{"'::'", "'::1'", "'fe80::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.0.1'"}},
		{name: "pair", columns: "k INT, l VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci", key: "k, l", values: pairs("%d, 'v%c'", 7, 12)},
		{name: "triple", columns: "k DATE, l DECIMAL(5,1), m ENUM('z','y','x','w','v','u','t','s','r','q','p','o')", key: "l, m, k", values: pairs("'2026-11-21', %d.5, '%c'", 6, 12)},
		{name: "four", columns: "k BINARY(3), l TINYINT UNSIGNED, m TIME, o BIGINT", key: "k, l, m, o", values: pairs("'a', %d, '-01:00:00', ASCII('%c')", 9, 9)},
		{name: "0900", columns: "k VARCHAR(90) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", key: "k", flavour: servers.FlavourMySQL, since: 80000, values: words("utf8mb4", append(cased, "a", "a ", "ä1", "日本")...)},
	}
}

// labels are the labels l<from> to l<to-1>, each after a comma.
func labels(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, ",'l%d'", i)
	}
	return b.String()
}

// spread are n different random values, the same in each run.
func spread(n int, value func(*rand.Rand) string) []string {
	r, seen := rand.New(rand.NewPCG(1, 2)), map[string]bool{}
	for len(seen) < n {
		seen[value(r)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// pairs are rows of all pairs of so many numbers and so many letters, of which 'z' is the first.
func pairs(format string, numbers, letters int) []string {
	var out []string
	for n := range numbers {
		for l := range letters {
			out = append(out, fmt.Sprintf(format, n, 'z'-rune(l)))
		}
	}
	return out
}

func numbers(ns ...int64) []string {
	var out []string
	for _, n := range ns {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// TestReadChunk_Keys reads tables with keys of every type, in chunks of random sizes: each row comes once.
func TestReadChunk_Keys(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		s := open(t, srv)
		for i, k := range keyCases() {
			if k.flavour != "" && k.flavour != srv.Flavour || s.server.number < k.since {
				continue
			}
			t.Run(k.name, func(t *testing.T) {
				table := fmt.Sprintf("t%d", i)
				srv.Exec(t,
					fmt.Sprintf("CREATE TABLE %s.%s (%s, n INT, PRIMARY KEY (%s))", database, table, k.columns, k.key),
					fmt.Sprintf("INSERT INTO %s.%s VALUES %s", database, table, tuples(k.values)))
				checkCoverage(t, s, database, table, len(k.values), rand.New(rand.NewPCG(seed, uint64(i))))
			})
		}
	})
}

func tuples(values []string) string {
	var rows []string
	for i, v := range values {
		rows = append(rows, fmt.Sprintf("(%s, %d)", v, i))
	}
	return strings.Join(rows, ", ")
}

// checkCoverage reads a table whose last column numbers its rows, and looks for each number once.
func checkCoverage(t *testing.T, s *Source, database, name string, want int, rnd *rand.Rand) {
	t.Helper()
	table := tableOf(t, s, database, name)
	for range 4 {
		seen := map[uint64]int{}
		rows := 1 + rnd.IntN(3)
		readAll(t.Context(), t, s, table, source.Range{}, func() int {
			s.setRows(table, rows)
			rows = 1 + rnd.IntN(1+want/2)
			return 1 << 20
		}, func(b *row.Batch) {
			for i := range b.Len() {
				seen[b.Cols[len(b.Cols)-1].Words[i]]++
			}
		})
		for n := range want {
			if seen[uint64(n)] != 1 {
				t.Fatalf("row %d came %d times, want once", n, seen[uint64(n)])
			}
		}
		if len(seen) != want {
			t.Fatalf("got %d different rows, want %d", len(seen), want)
		}
	}
}

// setRows makes the next chunk of a table have so many rows.
func (s *Source) setRows(t *schema.Table, rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paces[t.Name] = &pace{rows}
}
