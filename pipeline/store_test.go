package pipeline

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// savedStore makes a state that has a table and a change, and closes it.
func savedStore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := OpenStore(t.Context(), dir, "shop/1")
	if err != nil {
		t.Fatal(err)
	}
	fillStore(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func fillStore(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &changeRecord{Txn: "7:0", Before: named("b"), After: named("a"), Version: 2, Statement: "RENAME TABLE b TO a", Position: "7", At: time.Unix(1700000000, 0).UTC()}
	if err := s.applying(t.Context(), c, simple("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.applied(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	err := s.save(t.Context(), &save{position: "9", seq: 9, time: 1700000000_000000, epoch: 3, begin: &source.Start{Snapshot: true}, tables: []*tableRecord{
		{Name: named("a"), Sink: schema.Name{Namespace: "ods", Table: "a"}, State: Following, Progress: []byte(`{}`), Epoch: 3, Rows: 5, Chunks: 1, shape: simple("a")},
		{Name: named("z"), State: Stopped, Reason: "it has no key", Position: "7"},
	}, covered: []int64{c.id}})
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes a state file behind the store's back.
func edit(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement + "; PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenStore_RefusesAndChangesNothing(t *testing.T) {
	cases := map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"newer":          {func(t *testing.T, p string) { edit(t, p, "PRAGMA user_version = 2") }, "newer cdcsync"},
		"other program":  {func(t *testing.T, p string) { edit(t, p, "PRAGMA application_id = 1") }, "not a state of cdcsync"},
		"other pipeline": {rename, `belongs to pipeline "shop/1", not to "shop/2"`},
		"no database":    {func(t *testing.T, p string) { write(t, p, []byte("this is no database, whatever its name says")) }, "damaged"},
		"record": {func(t *testing.T, p string) {
			edit(t, p, `UPDATE pipeline SET doc = replace(doc, '"epoch":3', '"epoch":4')`)
		}, "checksum"},
		"page": {tear, "damaged"},
	}
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			dir, pipeline := savedStore(t), "shop/1"
			if label == "other pipeline" {
				pipeline = "shop/2"
			}
			path := StatePath(dir, pipeline)
			c.spoil(t, path)
			before := read(t, path)
			s, err := OpenStore(t.Context(), dir, pipeline)
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want the file and %q in it", err, c.want)
			}
			if _, err := ReadState(t.Context(), dir, pipeline); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ReadState: got %v, want %q in it", err, c.want)
			}
			if !bytes.Equal(before, read(t, path)) {
				t.Error("the file was changed")
			}
		})
	}
}

func rename(t *testing.T, path string) {
	if err := os.Rename(strings.Replace(path, "shop%2F2", "shop%2F1", 1), path); err != nil {
		t.Fatal(err)
	}
}

// tear damages all pages but the first.
func tear(t *testing.T, path string) {
	text := read(t, path)
	for i := 4096; i < len(text); i += 64 {
		text[i] ^= 0xff
	}
	write(t, path, text)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, stateMode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenStore_OneAtATime(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(t.Context(), dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenStore(t.Context(), dir, "p")
	if want := "pid " + strconv.Itoa(os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStore(t.Context(), dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenStore_ForTheOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(t.Context(), dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	fillStore(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("got %q, %v, want the file, its log and its lock", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != stateMode {
			t.Errorf("%s: got %v, %v, want mode %o", f, info.Mode(), err, stateMode)
		}
	}
}

// TestReadState_Shape holds the JSON that scripts rely on.
func TestReadState_Shape(t *testing.T) {
	dir := savedStore(t)
	s, err := OpenStore(t.Context(), dir, "shop/1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	st, err := ReadState(t.Context(), dir, "shop/1") // beside the open store
	if err != nil {
		t.Fatal(err)
	}
	st.File = "FILE"
	got, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if want := read(t, "testdata/state.json"); strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestReadState_Missing(t *testing.T) {
	if _, err := ReadState(context.Background(), t.TempDir(), "p"); err == nil || !strings.Contains(err.Error(), "has not run") {
		t.Errorf("got %v, want that it has not run", err)
	}
}

// TestOpenStore_Cancelled holds that a start which is called off says nothing of the state.
func TestOpenStore_Cancelled(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(t.Context(), dir, "test")
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenStore(ctx, dir, "test"); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want that it was called off", err)
	}
}
