package items

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e/servers"
)

// TestItems_Formats plays the ways in which servers write rows into their log: compressed, in part, as statements.
func TestItems_Formats(t *testing.T) {
	list := append(compressedScenarios(), imageScenarios()...)
	list = append(list, partialScenarios()...)
	play(t, append(list, statementScenarios(t)...))
}

// Servers with options of their own.
var (
	compressing = &config{name: "compressed", options: options(
		[]string{"--loose-binlog-transaction-compression=ON"}, []string{"--log-bin-compress=1", "--log-bin-compress-min-len=10"})}
	bare = &config{name: "bare", options: options(
		[]string{"--binlog-checksum=NONE", "--loose-binlog-row-metadata=MINIMAL"}, []string{"--binlog-checksum=NONE", "--binlog-row-metadata=MINIMAL"})}
)

func options(mysql, mariadb []string) map[servers.Flavour][]string {
	return map[servers.Flavour][]string{servers.FlavourMySQL: mysql, servers.FlavourMariaDB: mariadb}
}

// payloads are since when MySQL compresses transactions.
var payloads = needs{mysql: "8.0.20", mariadb: never}

func compressedScenarios() []scenario {
	setup := steps("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int, v longtext) COMMENT '"+strings.Repeat("c", 300)+"'", "CREATE TABLE u (id int PRIMARY KEY, b longblob)",
		"INSERT INTO t (n, v) VALUES (1, repeat('x', 300)), (2, ''), (3, NULL)", "INSERT INTO u VALUES (1, repeat(x'00', 300))")
	written := []string{
		"BEGIN", "INSERT INTO t (n, v) SELECT n, repeat('y', 500) FROM t", "INSERT INTO u VALUES (2, repeat('z', 1000)), (3, NULL)", "UPDATE t SET v = concat(v, 'é') WHERE n < 3", "DELETE FROM u WHERE id = 1", "COMMIT",
		"UPDATE t SET n = 7 WHERE id = 1", "ALTER TABLE t ADD w varchar(400) DEFAULT '" + strings.Repeat("d", 300) + "'", "INSERT INTO t (n, w) VALUES (9, NULL)",
	}
	large := []string{"BEGIN"} // 12,000 rows, 18 MB, in one transaction
	for range 12 {
		large = append(large, "INSERT INTO t (n, v) SELECT n + 1, repeat('large', 300) FROM t")
	}
	large = append(large, "UPDATE t SET n = -n WHERE id % 3 = 0", "COMMIT", "UPDATE t SET v = 'short' WHERE id % 2 = 0")
	session := log("compressed transactions, by session", payloads, setup, []step{
		do("SET SESSION binlog_transaction_compression = ON"), do(written...),
		do("SET SESSION binlog_transaction_compression_level_zstd = 20", "UPDATE t SET v = repeat('a', 5000)", "SET SESSION binlog_transaction_compression = OFF", "UPDATE t SET n = n + 1"),
	}, "t", "u")
	global := log("compressed transactions, global", payloads, setup, []step{do(written...), do("FLUSH BINARY LOGS"), do("UPDATE t SET n = 0")}, "t", "u")
	huge := log("compressed transactions, large", payloads, setup, steps(append([]string{"SET SESSION binlog_transaction_compression = ON"}, large...)...), "t", "u")
	rows := log("log_bin_compress: compressed rows and queries", onlyMariaDB, setup, []step{do(written...), do(large...)}, "t", "u")
	changed := log("log_bin_compress switched while it runs", onlyMariaDB, setup, []step{
		do("SET GLOBAL log_bin_compress = 0", "UPDATE t SET n = n + 1, v = repeat('p', 300)", "SET GLOBAL log_bin_compress = 1"), do(written...),
	}, "t", "u")
	changed.once = true
	for _, s := range []*scenario{&global, &rows, &changed} {
		s.config = compressing
	}
	return []scenario{session, global, huge, rows, changed, checksums(), metadata()}
}

// checksums has a log without checksums, with them, and without them.
func checksums() scenario {
	s := log("binlog_checksum NONE, and switched", everywhere, steps("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO t VALUES (1, 'a')"), steps(
		"INSERT INTO t VALUES (2, 'without')", "SET GLOBAL binlog_checksum = CRC32", "INSERT INTO t VALUES (3, 'with')", "UPDATE t SET v = 'with' WHERE id = 1", "SET GLOBAL binlog_checksum = NONE", "DELETE FROM t WHERE id = 2",
	), "t")
	s.config = bare
	return s
}

// metadata has table maps that name columns, and others that do not.
func metadata() scenario {
	s := log("binlog_row_metadata MINIMAL, and switched", needs{mysql: "8.0.1"},
		steps("CREATE TABLE t (id bigint unsigned PRIMARY KEY, c varchar(20) CHARACTER SET latin1, e enum('x','y'), s set('p','q'), g point, j json, d decimal(10,2), u int unsigned)",
			"INSERT INTO t VALUES (18446744073709551615, 'é', 'y', 'p,q', NULL, '{}', 1.5, 4294967295)"),
		steps("INSERT INTO t VALUES (9223372036854775808, 'ü', 'x', '', ST_GeomFromText('POINT(1 1)'), '[1]', -2.5, 0)", "ALTER TABLE t ADD z mediumint unsigned AFTER id", "UPDATE t SET z = 16777215",
			"SET GLOBAL binlog_row_metadata = FULL", "UPDATE t SET u = u + 0, c = 'ä'", "ALTER TABLE t RENAME COLUMN u TO w", "INSERT INTO t (id, w) VALUES (7, 3000000000)",
			"SET GLOBAL binlog_row_metadata = MINIMAL", "INSERT INTO t (id, w, e) VALUES (8, 3000000001, 'x')"), "t")
	s.config = bare
	return s
}

// partialScenarios change parts of documents, which MySQL then logs only.
func partialScenarios() []scenario {
	documents := steps("CREATE TABLE t (id int PRIMARY KEY, j json, n int, k json)", "SET @ballast = repeat('b', 3000)",
		`INSERT INTO t VALUES (1, JSON_OBJECT('a', 1, 'list', JSON_ARRAY(1, 2.0, 'x'), 'o', JSON_OBJECT('é', true), 'b', @ballast), 1, '[]'), (2, JSON_ARRAY(@ballast, 1, NULL), 2, NULL), (3, NULL, 3, '{}')`)
	changes := func(image string) []step {
		return steps("SET SESSION binlog_row_value_options = PARTIAL_JSON", "SET SESSION binlog_row_image = "+image,
			`UPDATE t SET j = JSON_SET(j, '$.a', 2.50, '$.new', JSON_OBJECT('z', 1e20)) WHERE id = 1`, `UPDATE t SET j = JSON_REMOVE(JSON_REPLACE(j, '$.list[0]', 'replaced', '$.o."é"', CAST('null' AS JSON)), '$.list[1]') WHERE id = 1`,
			`BEGIN`, `UPDATE t SET j = JSON_ARRAY_INSERT(JSON_SET(j, '$[1]', 'longer than it was'), '$[0]', 'first') WHERE id = 2`, `UPDATE t SET j = JSON_SET(j, '$[2]', 1), n = 7 WHERE id = 2`, `COMMIT`,
			`UPDATE t SET j = '{"whole": "document"}' WHERE id = 3`, `UPDATE t SET n = n + 1`, `UPDATE t SET k = JSON_SET(k, '$[0]', 1), j = JSON_SET(j, '$.a', 'both') WHERE id = 1`, `DELETE FROM t WHERE id = 3`)
	}
	json := needs{mysql: "8.0.3", mariadb: never}
	minimal := scenario{
		item: "log", name: "partial JSON updates in minimal images", needs: json, setup: documents, steps: changes("MINIMAL"),
		outcome: outcome{stops: map[string]string{"t": "binlog_row_image = FULL"}},
	}
	return []scenario{log("partial JSON updates", json, documents, changes("FULL"), "t"), minimal}
}

// imageScenarios have images that lack columns, by the setting of a session.
func imageScenarios() []scenario {
	setup := steps("CREATE TABLE t (id int PRIMARY KEY, v int DEFAULT 7, w text)", "CREATE TABLE beside (id int PRIMARY KEY)", "INSERT INTO t VALUES (1, 1, 't'), (2, 2, NULL), (3, 3, 'three'), (4, 4, 'four')", "INSERT INTO beside VALUES (1)")
	whole := func(name, image string, statements ...string) scenario {
		return log(image+" images: "+name, since(image), setup, steps(append([]string{"SET SESSION binlog_row_image = " + image}, statements...)...), "t", "beside")
	}
	partial := func(name, image, statement string) scenario {
		s := whole(name, image, statement, "INSERT INTO beside VALUES (2)")
		s.outcome = outcome{equal: []string{"beside"}, stops: map[string]string{"t": "SET GLOBAL binlog_row_image = FULL"}}
		return s
	}
	return []scenario{
		whole("deletes, and rows with all columns", "MINIMAL", "DELETE FROM t WHERE id = 1", "UPDATE t SET v = 20, w = 'u' WHERE id = 2", "INSERT INTO t VALUES (5, 5, NULL)", "UPDATE t SET id = 30, v = 31, w = '32' WHERE id = 3", "DELETE FROM t WHERE id = 30"),
		partial("update of some columns", "MINIMAL", "UPDATE t SET v = 2 WHERE id = 1"),
		partial("update of the key", "MINIMAL", "UPDATE t SET id = 9 WHERE id = 1"),
		partial("insert of some columns", "MINIMAL", "INSERT INTO t (id) VALUES (5)"),
		whole("the blob changes too", "NOBLOB", "UPDATE t SET w = 'u' WHERE id = 1", "UPDATE t SET id = 20, w = 'new' WHERE id = 2", "DELETE FROM t WHERE id = 3", "INSERT INTO t VALUES (5, 5, 'five'), (6, 6, NULL)"),
		partial("update beside a blob", "NOBLOB", "UPDATE t SET v = NULL WHERE id = 1"),
		whole("updates, of keys too", "FULL_NODUP", "UPDATE t SET v = NULL WHERE id = 1", "UPDATE t SET id = 20 WHERE id = 2", "UPDATE t SET w = NULL", "DELETE FROM t WHERE id = 3", "INSERT INTO t (id) VALUES (5)", "UPDATE t SET id = id + 100 ORDER BY id DESC"),
	}
}

// since is which servers have an image.
func since(image string) needs {
	if image == "FULL_NODUP" {
		return needs{mysql: never, mariadb: "11.4"}
	}
	return everywhere
}

// statementScenarios have sessions that log statements: they stop the tables that a statement writes to, and those only.
func statementScenarios(t *testing.T) []scenario {
	setup := steps("CREATE DATABASE {other}", "CREATE TABLE {other}.o (id int PRIMARY KEY, v int)", "CREATE TABLE a (id int PRIMARY KEY, v int)", "CREATE TABLE b (id int PRIMARY KEY, v int)", "CREATE TABLE c (id int PRIMARY KEY, v int)",
		"INSERT INTO a VALUES (1, 1), (2, 2)", "INSERT INTO b VALUES (1, 1)", "INSERT INTO c VALUES (1, 1)", "INSERT INTO {other}.o VALUES (1, 1)")
	rest := []string{"SET SESSION binlog_format = ROW", "INSERT INTO a VALUES (50, 5)", "INSERT INTO b VALUES (50, 5)", "UPDATE c SET v = v + 1"}
	stops := func(name, format string, tables []string, statements ...string) scenario {
		s := scenario{item: "log", name: name, setup: setup, steps: steps(append(append([]string{"SET SESSION binlog_format = " + format}, statements...), rest...)...)}
		s.stops = map[string]string{}
		for _, table := range []string{"a", "b", "c"} {
			if strings.Contains(strings.Join(tables, " "), table) {
				s.stops[table] = "by its text"
			} else {
				s.equal = append(s.equal, table)
			}
		}
		return s
	}
	file := filepath.Join(shared(t), "rows")
	if err := os.WriteFile(file, []byte("11\t1\n12\t\\N\n13\t3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	load := "LOAD DATA INFILE '" + file + "' INTO TABLE "
	return []scenario{
		stops("DML as statements", "STATEMENT", []string{"a"}, "UPDATE a SET v = v + 1", "DELETE FROM {other}.o"),
		stops("DML as statements, of several tables", "STATEMENT", []string{"a", "c"}, "UPDATE a JOIN c ON a.id = c.id SET a.v = 7, c.v = 8", "INSERT INTO {other}.o SELECT id + 100, v FROM b"),
		stops("DML as statements, in a transaction", "STATEMENT", []string{"b"}, "BEGIN", "INSERT INTO b VALUES (7, 7)", "SAVEPOINT s", "DELETE FROM b WHERE id = 1", "ROLLBACK TO s", "COMMIT"),
		stops("binlog_format MIXED", "MIXED", []string{"a"}, "UPDATE a SET v = v + 1 WHERE id = 1", "INSERT INTO b SELECT 9, length(uuid())"),
		stops("LOAD DATA as a statement", "STATEMENT", []string{"a"}, load+"a", load+"{other}.o"),
		log("LOAD DATA as rows", everywhere, setup, steps(load+"a", load+"b (id, @v) SET v = @v * 2", "BEGIN", "DELETE FROM a WHERE id = 11", strings.Replace(load, "INTO", "REPLACE INTO", 1)+"a", "COMMIT"), "a", "b", "c"),
	}
}

// shared is a folder that servers may read, whoever they run as.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cdcsync-items-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
