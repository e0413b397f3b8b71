package format

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/sink/sinktest"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain text of more than eight bytes", "zażółć 😀", "\x00\x1f\x7f\"\\/\b\f\n\r\t", "\xff\xfe", "\xed\xa0\x80", "12345678\"", "1234567\xc5", "\u2028</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := appendString([]byte("x"), []byte(s))
		var got string
		if err := json.Unmarshal(p[1:], &got); err != nil || p[0] != 'x' {
			t.Fatalf("%q: %v", p, err)
		}
		// Each byte that is not UTF-8 is one U+FFFD, as ranging over a string has it.
		if want := string([]rune(s)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !json.Valid(appendLatin1(nil, []byte(s))) {
			t.Errorf("latin1 of %q is no JSON", s)
		}
	})
}

func FuzzAppendFloat(f *testing.F) {
	for _, x := range []float64{0, math.Copysign(0, -1), 1, 1e7, 9999999, 1e-3, 9.99e-4, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(-1), math.NaN(), 1e100} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		for _, bits := range []int{32, 64} {
			x := x
			if bits == 32 {
				x = float64(float32(x))
			}
			p := appendFloat(nil, x, bits)
			if !json.Valid(p) {
				t.Fatalf("%s is no JSON", p)
			}
			got, err := strconv.ParseFloat(strings.Trim(string(p), `"`), bits)
			if same := math.Float64bits(got) == math.Float64bits(x) || math.IsNaN(got) && math.IsNaN(x); err != nil || !same {
				t.Errorf("got %v (%v) of %s, want %v", got, err, p, x)
			}
		}
	})
}

// TestAppendFloat has the spelling of Java's Double.toString.
func TestAppendFloat(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0.0", 3: "3.0", 0.1: "0.1", 1e7: "1.0E7", 9999999: "9999999.0", 1.5e10: "1.5E10", 0.001: "0.001", 1e-4: "1.0E-4", -1e100: "-1.0E100",
		math.MaxFloat64: "1.7976931348623157E308", math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`,
	} {
		if got := string(appendFloat(nil, x, 64)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzAppendDecimal(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte{0x80}, uint8(30))
	f.Add([]byte{0xff, 0xff}, uint8(2))
	f.Add([]byte{0x8a, 0xc7, 0x23, 0x04, 0x89, 0xe8, 0, 0}, uint8(19)) // 10^19
	f.Fuzz(func(t *testing.T, p []byte, scale uint8) {
		scale %= 31
		// 65 digits take 27 bytes.
		p = p[:min(len(p), 27)]
		u := new(big.Int).SetBytes(p)
		if len(p) > 0 && p[0]&0x80 != 0 {
			u.Sub(u, new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))))
		}
		want := sinktest.DecimalText(u, int(scale))
		for _, size := range []int{16, 32} {
			if u.BitLen() >= 8*size {
				continue
			}
			wide := sinktest.LittleEndian(u, size)
			if got := string(appendWideDecimal(nil, wide, int(scale))); got != want {
				t.Errorf("%d bytes: got %s, want %s", size, got, want)
			}
			checkUnscaled(t, appendUnscaledWide(nil, wide), u)
		}
		if u.IsInt64() {
			if got := string(appendDecimal(nil, u.Int64(), int(scale))); got != want {
				t.Errorf("word: got %s, want %s", got, want)
			}
			checkUnscaled(t, appendUnscaled(nil, u.Int64()), u)
		}
		if u.IsUint64() {
			checkUnscaled(t, appendUnscaledUint(nil, u.Uint64()), u)
		}
	})
}

// checkUnscaled checks base64 of two's complement, big-endian, in the fewest bytes that hold it.
func checkUnscaled(t *testing.T, text []byte, want *big.Int) {
	t.Helper()
	p, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	fewest := want.BitLen()/8 + 1
	if want.Sign() < 0 {
		fewest = new(big.Int).Not(want).BitLen()/8 + 1
	}
	le := slices.Clone(p)
	slices.Reverse(le)
	if len(p) != fewest || !slices.Equal(sinktest.LittleEndian(want, fewest), le) {
		t.Errorf("got %x, want %v in %d bytes", p, want, fewest)
	}
}

func FuzzAppendInstant(f *testing.F) {
	f.Add(int64(0), uint8(6))
	f.Add(int64(-62135596800000000), uint8(0))
	f.Add(int64(253402300799999999), uint8(3))
	f.Fuzz(func(t *testing.T, micros int64, digits uint8) {
		const first, last = -62_167_219_200_000_000, 253_402_300_799_999_999 // the years 0 to 9999
		micros = first + (micros%(last-first)+(last-first))%(last-first)
		digits %= 7
		want := time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000")
		if got := string(appendInstant(nil, micros, 'T', 6)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		short := strings.TrimSuffix(want[:20+digits], ".")
		if got := string(appendInstant(nil, micros, 'T', digits)); got != short {
			t.Errorf("%d digits: got %s, want %s", digits, got, short)
		}
		trimmed := strings.TrimSuffix(strings.TrimRight(want, "0"), ".")
		if len(trimmed) < len("2006-01-02T15:04:05") {
			trimmed = want[:19]
		}
		if got := string(appendInstant(nil, micros, 'T', allDigits)); got != trimmed {
			t.Errorf("all digits: got %s, want %s", got, trimmed)
		}
	})
}

func TestAppendClock(t *testing.T) {
	for want, micros := range map[string]int64{
		"00:00:00.000000": 0, "-00:00:00.000001": -1, "838:59:59.999999": 3020399999999, "-838:59:59.999999": -3020399999999, "23:59:59.000000": 86399 * second,
	} {
		if got := string(appendClock(nil, micros, 6)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
