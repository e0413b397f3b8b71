package items

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the catalog is read past the product
)

// tables are the tables in the warehouse: the place of the metadata by "database.table".
func (j *judge) tables(t testing.TB) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(j.run.pipe.Warehouse, "catalog.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT table_namespace || '.' || table_name, metadata_location FROM iceberg_tables")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var name, place string
		if err := rows.Scan(&name, &place); err != nil {
			t.Fatal(err)
		}
		found[name] = place
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// sinks holds the sink's tables to what is wanted of them.
func (x *stage) sinks(tables map[string]string) (problems []string) {
	for _, name := range x.want.gone {
		db, table := x.table(name)
		if _, there := tables[db+"."+table]; there {
			problems = append(problems, name+": the sink still has it")
		}
	}
	for name, want := range x.want.columns {
		db, table := x.table(name)
		have, err := columns(tables[db+"."+table])
		if err == nil && have != want {
			err = fmt.Errorf("the sink's columns are %s, want %s", have, want)
		}
		if err != nil {
			problems = append(problems, name+": "+err.Error())
		}
	}
	return problems
}

var scheme = regexp.MustCompile(`^file:(//)?`)

// A lakeSchema is a schema in the metadata of an Iceberg table.
type lakeSchema struct {
	ID     int `json:"schema-id"`
	Fields []struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		Required bool   `json:"required"`
	} `json:"fields"`
}

// columns are those of an Iceberg table, as "id int!, a string".
func columns(place string) (string, error) {
	text, err := os.ReadFile(scheme.ReplaceAllString(place, ""))
	if err != nil {
		return "", err
	}
	var metadata struct {
		Current int          `json:"current-schema-id"`
		Schemas []lakeSchema `json:"schemas"`
	}
	if err := json.Unmarshal(text, &metadata); err != nil {
		return "", err
	}
	i := slices.IndexFunc(metadata.Schemas, func(s lakeSchema) bool { return s.ID == metadata.Current })
	var all []string
	for _, f := range metadata.Schemas[i].Fields {
		required := ""
		if f.Required {
			required = "!"
		}
		all = append(all, f.Name+" "+f.Type+required)
	}
	return strings.Join(all, ", "), nil
}
