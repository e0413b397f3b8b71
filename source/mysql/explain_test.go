package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/source"
)

// TestChunkSQL_Range asks the servers how they read a chunk: a range of the key's index, without sorting.
func TestChunkSQL_Range(t *testing.T) {
	cases := []struct {
		name, columns, key, value string
		after, through            source.Key
	}{
		{"int", "k INT", "k", "%d", "i100", "i5000"},
		{"bigint unsigned", "k BIGINT UNSIGNED", "k", "%d", "u100", ""},
		{"decimal", "k DECIMAL(20,5)", "k", "%d", "t100.00000", ""},
		{"latin1", "k VARCHAR(40) CHARACTER SET latin1", "k", "'k%05d'", "x6b3030313030", ""},
		{"unicode_ci", "k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "k", "'k%05d'", "x6b3030313030", "x6b3039"},
		{"bin", "k CHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "k", "'k%05d'", "x6b3030313030", ""},
		{"gbk", "k VARCHAR(40) CHARACTER SET gbk", "k", "'k%05d'", "x6b3030313030", ""},
		{"varbinary", "k VARBINARY(40)", "k", "'k%05d'", "x6b3030313030", ""},
		{"datetime", "k DATETIME(6)", "k", "'2026-01-01' + INTERVAL %d MICROSECOND", "t2026-01-01 00:00:00.000100", ""},
		{"timestamp", "k TIMESTAMP(6)", "k", "'2026-01-01' + INTERVAL %d MICROSECOND", "t2026-01-01 00:00:00.000100", ""},
		{"date", "k DATE", "k", "'1900-01-01' + INTERVAL %d DAY", "t1900-04-11 00:00:00.000000", ""},
		{"pair", "a INT, k VARCHAR(40) CHARACTER SET latin1", "a, k", "%[1]d %% 50, 'k%05[1]d'", "i4,x6b3030313034", "i30,x6b3030313034"},
		{"triple", "a INT, b INT, k BIGINT", "a, b, k", "%[1]d %% 50, %[1]d, 7", "i4,i54,i7", "i30"},
	}
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		s := open(t, srv)
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				name := fmt.Sprintf("t%d", i)
				srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.%s (%s, n INT, PRIMARY KEY (%s), KEY other (n))", database, name, c.columns, c.key))
				var rows []string
				for n := range 5000 {
					rows = append(rows, fmt.Sprintf("("+c.value+", 0)", n))
				}
				srv.Exec(t, fmt.Sprintf("INSERT INTO %s.%s VALUES %s", database, name, strings.Join(rows, ", ")), fmt.Sprintf("ANALYZE TABLE %s.%s", database, name))
				explain(t, s, database, name, c.after, c.through)
			})
		}
	})
}

func explain(t *testing.T, s *Source, database, name string, after, through source.Key) {
	t.Helper()
	table := tableOf(t, s, database, name)
	lower, err := keyParams(after)
	if err != nil {
		t.Fatal(err)
	}
	upper, err := keyParams(through)
	if err != nil {
		t.Fatal(err)
	}
	err = s.with(t.Context(), func(c *conn) error {
		m, err := s.metaOf(t.Context(), c, table)
		if err != nil {
			return err
		}
		sql, order := chunkSQL(table, m, bounds{len(lower), len(upper)})
		got, err := explainPrepared(t.Context(), c, sql, arguments(lower, upper, order, 100))
		if err != nil {
			return err
		}
		if got["type"] != "range" || got["key"] != m.index || strings.Contains(got["Extra"], "filesort") {
			t.Errorf("type %s, key %s, rows %s, %s: want a range of the key without sorting:\n%s", got["type"], got["key"], got["rows"], got["Extra"], sql)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// explainPrepared explains a statement with its arguments, which become literals as the server would bind them.
func explainPrepared(ctx context.Context, c *conn, sql string, args []param) (map[string]string, error) {
	var text strings.Builder
	for _, part := range strings.SplitAfter(sql, "?") {
		before, isArg := strings.CutSuffix(part, "?")
		text.WriteString(before)
		if !isArg {
			continue
		}
		switch a := args[0]; {
		case a.wire == typeLonglong && a.unsigned:
			text.WriteString(strconv.FormatUint(a.number, 10))
		case a.wire == typeLonglong:
			text.WriteString(strconv.FormatInt(int64(a.number), 10))
		default:
			text.WriteString(literal(a.text))
		}
		args = args[1:]
	}
	rows, err := c.query(ctx, "EXPLAIN FORMAT=TRADITIONAL "+text.String())
	if err != nil {
		return nil, err
	}
	names := []string{"id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "Extra"}
	if len(rows[0]) == 12 {
		names = []string{"id", "select_type", "table", "partitions", "type", "possible_keys", "key", "key_len", "ref", "rows", "filtered", "Extra"}
	}
	out := map[string]string{}
	for i, n := range names {
		out[n] = rows[0][i]
	}
	return out, nil
}
