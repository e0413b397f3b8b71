package option

import "testing"

// FuzzBytes holds that a size is refused, or is read the same again when it is printed.
func FuzzBytes(f *testing.F) {
	for _, s := range []string{"64MiB", "1", " 16 kb", "-1", "9223372036854775807", "4611686018427387904b", "1e3", "8796093022208MB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, back Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b || b < 0 {
			t.Errorf("%q is %d, which is printed as %s and read as %d: %v", text, b, b, back, err)
		}
	})
}
