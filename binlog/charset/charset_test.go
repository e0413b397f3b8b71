package charset_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

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
		{"swe7", "sm|rg}s", "smörgås"},
		{"latin2", "\x80", "\u0080"},
		{"big5", "\xa1\x45\xc7\x40", "•エ"},
		{"sjis", "\x81\x60\x81\x5f", "〜\\"},
		{"cp932", "\x81\x60\xf0\x40\xf9\xfc", "～\ue000\ue757"},
		{"ujis", "\xfe\xfe\x8f\xf5\xa1", "\ue3ab\ue3ac"},
		{"gb18030", "\x84\x31\xa4\x37\xe3\x32\x9a\x35", "\ufffd\U0010ffff"},
		{"gb18030", "ascii and \x90\x30\x81\x30", "ascii and \U00010000"},
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
		{"utf16", "\xdd\x8a\xd8\x3e"}, {"utf16", "\xd8\x3e\x00"}, {"utf16", "a"}, {"utf16le", "\x3e\xd8"}, {"utf16le", "a"},
		{"ucs2", "\xd8\x3e\xdd\x8a"}, {"ucs2", "\x00a\x00"}, {"utf32", "\x00\x00\xd8\x00"}, {"utf32", "\x00\x11\x00\x00"},
		{"utf32", "\xff\xff\xff\xff"}, {"utf32", "\x00\x00\x00"}, {"gb18030", "\x84\x31\xa4"}, {"gb18030", "\xe3\x32\x9a\x36"},
		{"ujis", "\x8f\x21\xa1"}, {"ujis", "\x8f\xf5"}, {"cp932", "a\x81"}, {"big5", "\x87\x40"}, {"swe7", "\x7f"},
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
	for _, name := range []string{"", "filename", "klingon"} {
		if _, ok := charset.For(name); ok {
			t.Errorf("For(%q): got a conversion", name)
		}
		if _, ok := charset.ForKey(name); ok {
			t.Errorf("ForKey(%q): got a conversion", name)
		}
	}
}

// TestForKey checks that texts that the server keeps apart do not become one.
func TestForKey(t *testing.T) {
	tests := []struct {
		name, src, want string
		err             error
	}{
		{"cp932", "x\x81\xe0", "x≒", nil},
		{"cp932", "x\x87\x90", "", charset.ErrAmbiguous},
		{"cp932", "\x87\x90\x80", "", charset.ErrInvalid},
		{"sjis", "\x81\x5f", "\\", nil},
		{"sjis", "a\\", "", charset.ErrAmbiguous},
		{"ujis", "a\\", "a\\", nil},
		{"tis620", "\xa1\xdb", "", charset.ErrAmbiguous},
		{"utf8mb4", "é", "é", nil},
		{"latin1", "\xe9", "é", nil},
	}
	for _, tt := range tests {
		f, ok := charset.ForKey(tt.name)
		if !ok {
			t.Fatalf("no conversion from %s", tt.name)
		}
		got, err := f([]byte("k"), []byte(tt.src))
		if !errors.Is(err, tt.err) || string(got) != "k"+tt.want {
			t.Errorf("%s %q: got %q, %v, want %q, %v", tt.name, tt.src, got, err, "k"+tt.want, tt.err)
		}
	}
}

// texts has some text in each of the kinds of character sets.
var texts = []struct{ name, src string }{
	{"utf8mb4", "plain héé 🦊"}, {"ascii", "plain"}, {"binary", "\x00\xff"}, {"latin1", "plain caf\xe9"}, {"swe7", "sm|rg}s"},
	{"gbk", "plain \xc4\xe3\xba\xc3"}, {"big5", "plain \xa7\x41"}, {"cp932", "plain \x93\xfa\x96\x7b"}, {"ujis", "\xc6\xfc\x8f\xf5\xa1"},
	{"gb18030", "plain \xc4\xe3\x81\x30\x81\x30\x90\x30\x81\x30"}, {"ucs2", "\x00a\x4f\x60"}, {"utf16", "\x00a\xd8\x3e\xdd\x8a"},
	{"utf16le", "a\x00"}, {"utf32", "\x00\x01\xf9\x8a"},
}

func TestFor_NoAllocs(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, tt := range texts {
		src := []byte(tt.src)
		for _, of := range []func(string) (charset.Append, bool){charset.For, charset.ForKey} {
			f, _ := of(tt.name)
			if _, err := f(dst, src); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if n := testing.AllocsPerRun(100, func() { _, _ = f(dst, src) }); n > 0 {
				t.Errorf("%s: got %v allocations, want 0", tt.name, n)
			}
		}
	}
}

// FuzzFor reads anything as text of every kind: it is UTF-8 afterwards, or refused, and dst is as before.
func FuzzFor(f *testing.F) {
	for _, tt := range texts {
		f.Add([]byte(tt.src))
	}
	names := []string{"utf8mb4", "ascii", "latin1", "swe7", "big5", "cp932", "euckr", "eucjpms", "gb18030", "gb2312", "gbk", "sjis", "ujis",
		"ucs2", "utf16", "utf16le", "utf32"}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, name := range names {
			convert, _ := charset.For(name)
			got, err := convert([]byte("before"), src)
			text, ok := bytes.CutPrefix(got, []byte("before"))
			if !ok || !utf8.Valid(text) || err != nil && (len(text) > 0 || !errors.Is(err, charset.ErrInvalid)) {
				t.Fatalf("%s of %x: got %q, %v", name, src, got, err)
			}
			key, _ := charset.ForKey(name)
			if again, err := key(nil, src); err == nil && !bytes.Equal(again, text) {
				t.Fatalf("%s of %x: got %q, in a key %q", name, src, text, again)
			}
		}
	})
}

func BenchmarkFor(b *testing.B) {
	for _, bench := range []struct{ name, kind, src string }{
		{"latin1", "ascii", "a plain text of some words, 40 bytes long"}, {"latin1", "half", "\xe9t\xe9 \xe0 la plage, d\xe9j\xe0 pass\xe9: ma\xefs o\xf9 est-il"},
		{"gbk", "ascii", "a plain text of some words, 40 bytes long"}, {"gbk", "chinese", strings.Repeat("\xc4\xe3\xba\xc3", 10)},
		{"gb18030", "chinese", strings.Repeat("\xc4\xe3\xba\xc3", 10)}, {"cp932", "japanese", strings.Repeat("\x93\xfa\x96\x7b", 10)},
		{"utf16", "ascii", strings.Repeat("\x00a", 20)},
	} {
		b.Run(bench.name+"/"+bench.kind, func(b *testing.B) {
			convert, _ := charset.For(bench.name)
			src, dst := []byte(bench.src), make([]byte, 0, 256)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := convert(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
