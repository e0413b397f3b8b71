package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
)

func someTables(n int) []pipeline.TableStatus {
	var tables []pipeline.TableStatus
	for i := range n {
		name := schema.Name{Namespace: "shop", Table: "t" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)}
		tables = append(tables, pipeline.TableStatus{Name: name, Sink: name, State: pipeline.Following, Written: int64(1000 * i)})
	}
	return tables
}

func newShow(s *screen, log *bytes.Buffer) *show {
	return &show{
		screen: s, log: slog.New(slog.NewTextHandler(log, nil)), meter: newMeter(time.Unix(0, 0)),
		estimate: func(context.Context, []*schema.Table) (map[schema.Name]int64, error) {
			return map[schema.Name]int64{{Namespace: "shop", Table: "ta"}: 100_000}, nil
		},
	}
}

func TestShow_RateAndTimeLeft(t *testing.T) {
	s := newShow(nil, &bytes.Buffer{})
	status := pipeline.Status{Tables: someTables(2)}
	copying := &status.Tables[0]
	copying.State = pipeline.Copying
	s.learn(t.Context(), s.meter.unknown(&status))
	if left := s.meter.unknown(&status); len(left) != 0 {
		t.Errorf("got %v unknown after they were estimated", left)
	}
	s.meter.measure(&status, time.Unix(0, 0))
	copying.Written, copying.Copied = 20_000, 20_000
	l := s.meter.measure(&status, time.Unix(4, 0))[0]
	if l.rate != 5000 || l.eta != 16*time.Second || l.Name.Table != "ta" {
		t.Errorf("got %v rows/s, %v left of %v, want 5000, 16s of ta", l.rate, l.eta, l.Name)
	}
	// What was long ago does not count: the table has come to rest.
	for at := int64(5); at < 40; at++ {
		l = s.meter.measure(&status, time.Unix(at, 0))[0]
	}
	if l.rate != 0 || l.eta != 0 {
		t.Errorf("got %v rows/s, %v left, want none", l.rate, l.eta)
	}
}

// The block fits the terminal, whatever the names and reasons are.
func TestScreen_Fits(t *testing.T) {
	escapes := regexp.MustCompile("\x1b\\[[0-9]*[mAJ]|\r")
	for _, height := range []int{1, 2, 5, 24, 60} {
		for _, width := range []int{1, 10, 80, 200} {
			var out, log bytes.Buffer
			sc := &screen{out: &out, color: true, size: func() (int, int, bool) { return width, height, true }}
			s := newShow(sc, &log)
			status := pipeline.Status{Name: "shop", State: pipeline.Retrying, Reason: "connection\nrefused \x1b[2J", Tables: someTables(50)}
			status.Tables[7].State, status.Tables[7].Reason = pipeline.Stopped, "a long reason\n"+strings.Repeat("y", 300)
			s.status = func() pipeline.Status { return status }
			s.step(t.Context(), time.Unix(1, 0))
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) > max(1, height-1) {
				t.Errorf("%dx%d: got %d lines", width, height, len(lines))
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(escapes.ReplaceAllString(l, "")); n > width {
					t.Errorf("%dx%d: got %d columns in %q", width, height, n, l)
				}
			}
			if strings.Contains(out.String(), "\x1b[2J") {
				t.Errorf("%dx%d: a reason has cleared the screen", width, height)
			}
		}
	}
}

// Log lines stand above the block, which is drawn again below them.
func TestScreen_LogsAbove(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, size: func() (int, int, bool) { return 80, 24, true }}
	if err := s.draw([]string{"one", "two"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("logged\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "one\ntwo\n\x1b[2A\r\x1b[Jlogged\none\ntwo\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewScreen_NeedsTerminal(t *testing.T) {
	env := func(string) (string, bool) { return "", false }
	if s := newScreen(&bytes.Buffer{}, env); s != nil {
		t.Error("a buffer is no terminal")
	}
	var none *screen
	if got := none.paint(red, "text"); got != "text" {
		t.Errorf("got %q", got)
	}
}

// A pipeline that has nothing to do says so once a minute.
func TestShow_LogsWhatMoves(t *testing.T) {
	var log bytes.Buffer
	s := newShow(nil, &log)
	status := pipeline.Status{Name: "shop", State: pipeline.Running, Tables: someTables(3)}
	s.status = func() pipeline.Status { return status }
	for _, at := range []int64{5, 10, 15} {
		s.step(t.Context(), time.Unix(at, 0))
	}
	status.Tables[1].State, status.Tables[1].Reason = pipeline.Stopped, "no key"
	for _, at := range []int64{20, 25, 79, 80} {
		s.step(t.Context(), time.Unix(at, 0))
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("got %d lines, want 3: at 5, 20 and 80 s\n%s", n, &log)
	}
	if !strings.Contains(log.String(), "msg=progress pipeline=shop state=running tables=3 copying=0 following=2 stopped=1 rows=3000") {
		t.Errorf("got\n%s", &log)
	}
}

// Without estimates there is no time left to show, and the tables are not asked for again and again.
func TestShow_EstimatesFail(t *testing.T) {
	s := newShow(nil, &bytes.Buffer{})
	asked := 0
	s.estimate = func(context.Context, []*schema.Table) (map[schema.Name]int64, error) {
		asked++
		return nil, errors.New("gone")
	}
	status := pipeline.Status{Tables: someTables(1)}
	status.Tables[0].State = pipeline.Copying
	s.status = func() pipeline.Status { return status }
	s.step(t.Context(), time.Unix(1, 0))
	s.step(t.Context(), time.Unix(2, 0))
	if asked != 1 {
		t.Errorf("asked %d times, want 1", asked)
	}
}

func TestThousands_Groups(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -999: "-999", 12345678: "12,345,678"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestFit_CutsColumns(t *testing.T) {
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"too long", 5, "too …"}, {"a\tb\x7f", 9, "a?b?"},
		{"\x1b[31mred\x1b[0m", 3, "\x1b[31mred\x1b[0m\x1b[0m"}, {"äöü", 2, "ä…"}, {"\xff", 3, "?"},
	} {
		if got := fit(c.line, c.columns); got != c.want {
			t.Errorf("%q at %d: got %q, want %q", c.line, c.columns, got, c.want)
		}
	}
}
