package pipeline

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// FuzzStore damages a state: some bytes, and its end. Opening it is an error that names the file and leaves it as it is, or
// gives all that was saved: never a panic, and never a beginning from nothing.
func FuzzStore(f *testing.F) {
	f.Add([]byte{0, 0, 0xff}, uint32(0))
	f.Add([]byte{0x10, 0x00, 1, 0x20, 0x40, 0x80}, uint32(4096))
	f.Add([]byte{}, uint32(100))
	whole := make(map[bool][]byte)
	f.Fuzz(func(t *testing.T, damage []byte, cut uint32) {
		if whole[true] == nil {
			whole[true] = read(t, StatePath(savedStore(t), "shop/1"))
		}
		want := opened(t, whole[true])
		if want == "" {
			t.Fatal("the state without damage is refused")
		}
		state := bytes.Clone(whole[true])
		for ; len(damage) >= 3; damage = damage[3:] {
			state[(int(damage[0])<<8|int(damage[1]))*len(state)>>16] ^= damage[2]
		}
		state = state[:len(state)-int(cut%uint32(len(state)))]
		if got := opened(t, state); got != "" && got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// opened is all that a state has, empty if it is refused.
func opened(t *testing.T, state []byte) string {
	t.Helper()
	dir := t.TempDir()
	path := StatePath(dir, "shop/1")
	if err := os.WriteFile(path, state, stateMode); err != nil {
		t.Fatal(err)
	}
	saved, readErr := ReadState(t.Context(), dir, "shop/1")
	s, err := OpenStore(t.Context(), dir, "shop/1")
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name the file", err)
		}
		if !bytes.Equal(read(t, path), state) {
			t.Error("the file was changed")
		}
		return ""
	}
	defer func() { _ = s.Close() }()
	c, err := load(t.Context(), s.db)
	if err != nil || readErr != nil {
		if !strings.Contains(errorText(err)+errorText(readErr), "damaged") {
			t.Errorf("open says nothing, load %v, read %v", err, readErr)
		}
		return ""
	}
	saved.File = ""
	text, err := json.Marshal([]any{c.pipelineRecord, c.tables, len(c.changes), saved})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
