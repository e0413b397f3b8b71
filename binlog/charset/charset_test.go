package charset_test

import (
	"errors"
	"testing"

	"github.com/cdcsync/cdcsync/binlog/charset"
)

func TestFor(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"utf8mb4", "héé 🦊", "héé 🦊"},
		{"utf8mb3", "é", "é"},
		{"utf8", "é", "é"},
		{"ascii", "plain", "plain"},
		{"binary", "\x00\xff", "\x00\xff"},
		{"latin1", "caf\xe9 \x80 \x81", "café € \u0081"},
		{"latin2", "\xb1", "ą"},
		{"cp1251", "\xcf\xf0\xe8", "При"},
		{"koi8r", "\xf0\xd2\xc9", "При"},
		{"greek", "\xe1", "α"},
		{"gbk", "\xc4\xe3\xba\xc3", "你好"},
		{"gb18030", "\xc4\xe3\x81\x30\x81\x30", "你\u0080"},
		{"big5", "\xa7\x41", "你"},
		{"sjis", "\x93\xfa\x96\x7b", "日本"},
		{"cp932", "\x93\xfa", "日"},
		{"ujis", "\xc6\xfc", "日"},
		{"euckr", "\xc7\xd1", "한"},
		{"ucs2", "\x00a\x4f\x60", "a你"},
		{"utf16", "\xd8\x3e\xdd\x8a", "🦊"},
		{"utf16le", "a\x00", "a"},
		{"utf16", "\xff\xfd", "\ufffd"},
		{"utf32", "\x00\x01\xf9\x8a", "🦊"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := charset.For(tt.name)
			if !ok {
				t.Fatalf("no conversion from %s", tt.name)
			}
			got, err := f([]byte("x"), []byte(tt.src))
			if err != nil || string(got) != "x"+tt.want {
				t.Errorf("got %q, %v, want %q", got, err, "x"+tt.want)
			}
		})
	}
}

func TestFor_Invalid(t *testing.T) {
	tests := []struct{ name, src string }{
		{"utf8mb4", "a\xff"}, {"ascii", "\x80"}, {"cp1257", "\xa5"}, {"gbk", "\xff\xff"}, {"utf16", "\xd8\x3e"}, {"euckr", "\xff"},
	}
	for _, tt := range tests {
		f, ok := charset.For(tt.name)
		if !ok {
			t.Fatalf("no conversion from %s", tt.name)
		}
		got, err := f([]byte("x"), []byte(tt.src))
		if !errors.Is(err, charset.ErrInvalid) || string(got) != "x" {
			t.Errorf("%s %q: got %q, %v, want ErrInvalid", tt.name, tt.src, got, err)
		}
	}
}

func TestFor_Unknown(t *testing.T) {
	for _, name := range []string{"", "swe7", "klingon"} {
		if _, ok := charset.For(name); ok {
			t.Errorf("For(%q): got a conversion", name)
		}
	}
}

func TestFor_NoAllocs(t *testing.T) {
	dst, src := make([]byte, 0, 64), []byte("abc")
	for _, name := range []string{"utf8mb4", "latin1", "ascii", "binary"} {
		f, _ := charset.For(name)
		if n := testing.AllocsPerRun(100, func() { _, _ = f(dst, src) }); n > 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}
