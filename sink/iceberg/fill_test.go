package iceberg

import (
	"testing"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
)

// Rows that are there get the value of an added column, deleted ones do not come back, and later rows bring their own.
func TestEvolve_FillsAddedColumns(t *testing.T) {
	for name, partition := range map[string]string{"plain": "", "partitioned": "bucket[4](id)"} {
		t.Run(name, func(t *testing.T) {
			var config func(*Config)
			if partition != "" {
				config = partitionBy(partition)
			}
			dir := t.TempDir()
			s := openTest(t, dir, config)
			v1 := shapeOf(1, "*id", typeLong, "a", typeString)
			mustEvolve(t, s, nil, v1)
			for epoch, w := range []struct {
				op row.Op
				id int
			}{{row.Insert, 1}, {row.Insert, 2}, {row.Upsert, 3}, {row.Delete, 2}, {row.Upsert, 1}} {
				if err := writeRow(t, s, v1, uint64(epoch+1), w.op, w.id, "x"); err != nil {
					t.Fatal(err)
				}
			}
			v2 := shapeOf(2, "*id", typeLong, "n", typeInt, "a", typeString, "s", typeString, "u", schema.Type{Kind: schema.UUID}, "free", typeInt)
			edits := []schema.Edit{
				{Kind: schema.AddColumn, Column: "n", Fill: &schema.Value{Word: 7}},
				{Kind: schema.AddColumn, Column: "was_s", Fill: &schema.Value{Bytes: []byte("none")}},
				{Kind: schema.AddColumn, Column: "u", Fill: &schema.Value{Bytes: []byte("0123456789abcdef")}},
				{Kind: schema.RenameColumn, Column: "was_s", To: "s"},
				{Kind: schema.AddColumn, Column: "free"},
			}
			mustEvolve(t, s, v1, v2, edits...)
			const u = "30313233-3435-3637-3839-616263646566"
			want := "id,n,a,s,u,free: 1 7 x none " + u + " NULL; 3 7 x none " + u + " NULL"
			if got := content(t, s); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if err := writeRow(t, s, v2, 6, row.Upsert, 3, 8, "y", "some", nil, 1); err != nil {
				t.Fatal(err)
			}
			mustEvolve(t, s, v1, v2, edits...) // again, as after a crash: nothing is filled twice
			want = "id,n,a,s,u,free: 1 7 x none " + u + " NULL; 3 8 y some NULL 1"
			if got := content(t, s); got != want {
				t.Errorf("after a replay: got %s\nwant %s", got, want)
			}
			lint(t, dir)
		})
	}
}
