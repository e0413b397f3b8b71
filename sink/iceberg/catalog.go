package iceberg

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	_ "github.com/apache/iceberg-go/catalog/glue" // the catalogs and file systems register themselves
	_ "github.com/apache/iceberg-go/catalog/hive"
	_ "github.com/apache/iceberg-go/catalog/rest"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	_ "github.com/apache/iceberg-go/io/gocloud"
	"github.com/apache/iceberg-go/table"
	_ "modernc.org/sqlite" // the driver of the default catalog

	"github.com/cdcsync/cdcsync/schema"
)

// openCatalog opens the configured catalog. root is the file: URL of a local warehouse, empty when the catalog chooses
// the tables' locations. The returned function closes what was opened.
func openCatalog(ctx context.Context, cfg Config) (cat catalog.Catalog, root string, done func() error, err error) {
	props := iceberg.Properties(maps.Clone(cfg.Catalog))
	if props["type"] != "sql" {
		cat, err = catalog.Load(ctx, props.Get("name", CatalogName), props)
		return cat, "", closer(cat), err
	}
	if localFolder(props["warehouse"]) {
		dir, err := localPath(props["warehouse"])
		if err != nil {
			return nil, "", nil, err
		}
		if !plainPath(dir) {
			return nil, "", nil, fmt.Errorf("warehouse %s: %s", dir, oddPath)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, "", nil, fmt.Errorf("create warehouse: %w", err)
		}
		root = (&url.URL{Scheme: "file", Path: dir}).String()
		props["warehouse"] = root
		if props["uri"] == "" {
			cat, done, err = openSQLite(filepath.Join(dir, "catalog.db"), props)
			return cat, root, done, err
		}
	}
	if strings.HasPrefix(props["uri"], "sqlite:") || strings.HasPrefix(props["uri"], "file:") {
		path := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(props["uri"], "sqlite:"), "file:"), "//")
		cat, done, err = openSQLite(path, props)
		return cat, root, done, err
	}
	cat, err = catalog.Load(ctx, props.Get("name", CatalogName), props)
	return cat, root, closer(cat), err
}

// oddPath says why a folder cannot be a warehouse.
const oddPath = "it has a character that a URL spells in another way, and engines differ in whether they undo that: use a folder of plain letters, digits, dots, dashes and underscores"

// plainPath says that a path is the same in a URL.
func plainPath(dir string) bool { return (&url.URL{Path: dir}).EscapedPath() == dir }

// openSQLite opens a SQL catalog in a SQLite file. Its commits survive the loss of power, and it waits for other
// processes that hold the file.
func openSQLite(path string, props iceberg.Properties) (catalog.Catalog, func() error, error) {
	// Transactions that begin with a read and write later are refused at once, without waiting, when another has written
	// in between: immediate ones wait.
	dsn := "file:" + path + "?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, nil, err
	}
	cat, err := sqlcatalog.NewCatalog(props.Get("name", CatalogName), db, sqlcatalog.SQLite, props)
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	return cat, db.Close, nil
}

func closer(cat catalog.Catalog) func() error {
	if c, ok := cat.(catalog.Closer); ok {
		return c.Close
	}
	return func() error { return nil }
}

// identifier is a table's name in the catalog.
func identifier(n schema.Name) table.Identifier { return table.Identifier{n.Namespace, n.Table} }

// location returns where a new table of a local warehouse goes, or nothing where the catalog chooses. A folder that
// another table has used, which was dropped or renamed since, is not used again.
func (s *Sink) location(n schema.Name) string {
	if s.root == "" {
		return ""
	}
	loc := s.root + "/" + folder(n.Namespace) + "/" + folder(n.Table)
	u, err := url.Parse(loc)
	if err != nil {
		return loc
	}
	if _, err := os.Stat(u.Path); err == nil {
		return loc + "-" + shortID()
	}
	return loc
}

// maxFolder leaves room, in the 255 bytes that a file system takes, for a partition's "name=value" and for an id.
const maxFolder = 120

// folder spells a name so that it is one folder, and the same in a path and in a URL. A name whose spelling is too long
// for a file system, as many letters of other scripts make it, is cut, and told apart by a hash of the whole.
func folder(name string) string {
	spelled := escape(name)
	if len(spelled) <= maxFolder {
		return spelled
	}
	hash := sha256.Sum256([]byte(name))
	return spelled[:maxFolder-17] + "-" + hex.EncodeToString(hash[:8])
}

func escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	return b.String()
}
