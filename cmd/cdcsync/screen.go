package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A screen draws a block of lines at the end of a terminal again and again. What is written to it as an io.Writer, such
// as a log, appears above the block.
type screen struct {
	out   io.Writer
	size  func() (columns, lines int, ok bool)
	color bool

	mu    sync.Mutex // guards the fields below
	block []string
	drawn int // lines of the block that stand on the terminal
}

// newScreen returns nil when out is no terminal that can be drawn on.
func newScreen(out io.Writer, env func(string) (string, bool)) *screen {
	f, ok := out.(*os.File)
	if term, _ := env("TERM"); !ok || term == "dumb" {
		return nil
	}
	size := func() (int, int, bool) {
		w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil || w.Col == 0 || w.Row == 0 {
			return 80, 24, err == nil
		}
		return int(w.Col), int(w.Row), true
	}
	if _, _, ok := size(); !ok {
		return nil
	}
	noColor, _ := env("NO_COLOR")
	return &screen{out: f, size: size, color: noColor == ""}
}

// draw replaces the block. Lines are cut at the terminal's width, and the block at its height.
func (s *screen) draw(lines []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = lines
	return s.redraw("")
}

// Write puts text above the block.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(p), s.redraw(string(p))
}

// redraw writes in one piece, so that nothing flickers.
func (s *screen) redraw(above string) error {
	columns, height, _ := s.size()
	var b bytes.Buffer
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", s.drawn)
	}
	b.WriteString(above)
	s.drawn = min(len(s.block), max(1, height-1))
	for _, line := range s.block[:s.drawn] {
		b.WriteString(fit(line, columns) + "\n")
	}
	_, err := s.out.Write(b.Bytes())
	return err
}

// paint colours text when the terminal may have colours.
func (s *screen) paint(color, text string) string {
	if s == nil || !s.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// The colours, as ANSI numbers.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
)

// fit cuts a line at a number of columns. Escape sequences take none. What could move the cursor is replaced.
func fit(line string, columns int) string {
	var b strings.Builder
	used, coloured := 0, false
	for i := 0; i < len(line); {
		if n := colour(line[i:]); n > 0 {
			b.WriteString(line[i : i+n])
			i += n
			coloured = true
			continue
		}
		r, n := utf8.DecodeRuneInString(line[i:])
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			r = '?'
		}
		if i += n; used >= columns {
			continue
		}
		if used++; used == columns && i < len(line) && plainRest(line[i:]) {
			r = '…'
		}
		b.WriteRune(r)
	}
	if coloured {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// plainRest says that more than colours follows.
func plainRest(rest string) bool {
	for n := colour(rest); n > 0; n = colour(rest) {
		rest = rest[n:]
	}
	return rest != ""
}

// colour returns the length of the sequence at the beginning of s that sets a colour, 0 when there is none. All other
// sequences are not ours.
func colour(s string) int {
	digits, ok := strings.CutPrefix(s, "\x1b[")
	if !ok {
		return 0
	}
	rest := strings.TrimLeft(digits, "0123456789")
	if !strings.HasPrefix(rest, "m") {
		return 0
	}
	return len(s) - len(rest) + 1
}
