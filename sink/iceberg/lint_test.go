package iceberg

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

func optionBytes(n int) option.Bytes { return option.Bytes(n) }

// lint runs the independent reader's check over all tables of a warehouse. CDCSYNC_ICEBERG_LINT is the command that
// takes the reader's flags, like "python3 iceberg_rows.py"; without it the check is left out.
func lint(t *testing.T, dir string) {
	t.Helper()
	command := os.Getenv("CDCSYNC_ICEBERG_LINT")
	if command == "" {
		return
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT table_namespace || '.' || table_name FROM iceberg_tables WHERE table_name NOT LIKE '%.%'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", command+` --sqlite "$1" --table "$2" --lint`, "sh", filepath.Join(dir, "catalog.db"), name).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
