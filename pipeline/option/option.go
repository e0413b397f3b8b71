// Package option holds the types of configuration values that connectors share. It reads no file: package config does,
// and fills any struct whose fields have yaml tags. A tag that ends in ".*" on a map[string]string takes all keys with
// that prefix, the prefix cut off.
package option

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Bytes is a size: 1024, 64KiB, 16MB. KB, MB and GB are read as their binary cousins, which is what people mean.
type Bytes int64

var units = []struct {
	suffix string
	factor Bytes
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1}}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, factor := strings.ToLower(strings.TrimSpace(string(text))), Bytes(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > int64(1<<62/factor) {
		return fmt.Errorf("%q is not a size, like 64MiB", text)
	}
	*b = Bytes(n) * factor
	return nil
}

// String spells the size with the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range []int{2, 1, 0} {
		if f := units[u].factor; b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + []string{"KiB", "MiB", "GiB"}[u]
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// A Secret is a value that is never printed: only Reveal gives it away.
type Secret string

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

const hidden = "******"

// String hides the secret, as do all the ways of printing that follow.
func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// A Problem is one thing wrong with a configuration value.
type Problem struct {
	Key  string // the key below the connector's section: "scan.startup.mode"
	Text string // what is wrong, why it matters, what to write instead
}
