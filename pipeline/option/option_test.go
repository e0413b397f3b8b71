package option

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestBytes_Reads(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1024": 1 << 10, "64KiB": 64 << 10, "64 kib": 64 << 10, "16MB": 16 << 20, "2g": 2 << 30, "10b": 10,
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: got %d, %v, want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5MB", "MB", "9999999999GiB", "1TB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, b)
		}
	}
}

func TestBytes_PrintsWhatItReads(t *testing.T) {
	for _, b := range []Bytes{0, 1, 1000, 1 << 10, 3 << 20, 5 << 30, 1<<20 + 1} {
		var back Bytes
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Errorf("%d prints as %s, which reads as %d, %v", b, b, back, err)
		}
	}
}

// No way of printing gives a secret away.
func TestSecret_IsHidden(t *testing.T) {
	const canary = "canary-3141"
	s := struct{ Password Secret }{canary}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "password", s.Password, "config", s)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x %s", s, s, s, s.Password, s.Password, s.Password, text) + log.String()
	if strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) {
		t.Errorf("got the secret in %s", printed)
	}
	if s.Password.Reveal() != canary {
		t.Error("got another secret back")
	}
}
