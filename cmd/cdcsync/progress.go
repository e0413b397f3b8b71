package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/pipeline"
	"github.com/cdcsync/cdcsync/schema"
)

// The paces of showing progress.
const (
	redrawEvery = 250 * time.Millisecond
	logEvery    = 5 * time.Second
	quietFor    = time.Minute // of a pipeline that has nothing to do
	// rateWindow is long enough to bridge commits, between which no table seems to move.
	rateWindow = 10 * time.Second
)

// A sample is what was written of a table at a time.
type sample struct {
	at      time.Time
	written int64
}

// A meter measures a pipeline's speed from its status.
type meter struct {
	began     time.Time
	samples   map[schema.Name][]sample // the newest ones, within the window
	estimates map[schema.Name]int64    // rows of a table when it was first seen
}

func newMeter(now time.Time) *meter {
	return &meter{began: now, samples: map[schema.Name][]sample{}, estimates: map[schema.Name]int64{}}
}

// A line is a table as it is shown.
type line struct {
	pipeline.TableStatus
	rate     float64       // rows written a second
	estimate int64         // rows the table had about; 0: unknown
	eta      time.Duration // until it is copied; 0: unknown
}

// measure returns the tables with their speed: those that stopped first, then those that are being copied.
func (m *meter) measure(s *pipeline.Status, now time.Time) []line {
	lines := make([]line, 0, len(s.Tables))
	for _, t := range s.Tables {
		l := line{TableStatus: t, rate: m.rate(t, now), estimate: m.estimates[t.Name]}
		if left := l.estimate - t.Copied; t.State == pipeline.Copying && left > 0 && l.rate > 1 {
			l.eta = time.Duration(float64(left) / l.rate * float64(time.Second)).Round(time.Second)
		}
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(urgency(a.State), urgency(b.State)) })
	return lines
}

func urgency(s pipeline.TableState) int {
	switch s {
	case pipeline.Stopped:
		return 0
	case pipeline.Copying:
		return 1
	case pipeline.Following:
		return 2
	case pipeline.Dropped:
	}
	return 3
}

func (m *meter) rate(t pipeline.TableStatus, now time.Time) float64 {
	seen := append(m.samples[t.Name], sample{now, t.Written})
	for len(seen) > 2 && now.Sub(seen[1].at) > rateWindow {
		seen = seen[1:]
	}
	m.samples[t.Name] = seen
	first := seen[0]
	took := now.Sub(first.at).Seconds()
	if took <= 0 || t.Written < first.written {
		return 0
	}
	return float64(t.Written-first.written) / took
}

// unknown returns the tables that are being copied and have no estimate yet.
func (m *meter) unknown(s *pipeline.Status) []*schema.Table {
	var tables []*schema.Table
	for _, t := range s.Tables {
		if _, ok := m.estimates[t.Name]; !ok && t.State == pipeline.Copying {
			tables = append(tables, &schema.Table{Name: t.Name})
		}
	}
	return tables
}

// A show tells people how a pipeline is doing.
type show struct {
	status   func() pipeline.Status
	estimate func(ctx context.Context, tables []*schema.Table) (map[schema.Name]int64, error)
	screen   *screen // nil: log lines only
	log      *slog.Logger
	meter    *meter

	last   logged // what the last line said
	lastAt time.Time
}

// logged is what makes a line worth writing.
type logged struct {
	state            pipeline.State
	written, commits int64
	stopped          int
}

// run shows progress until ctx is cancelled, and then once more.
func (s *show) run(ctx context.Context) {
	every := logEvery
	if s.screen != nil {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.step(ctx, time.Now())
		case <-ctx.Done():
			s.step(ctx, time.Now())
			return
		}
	}
}

func (s *show) step(ctx context.Context, now time.Time) {
	status := s.status()
	if unknown := s.meter.unknown(&status); len(unknown) > 0 {
		s.learn(ctx, unknown)
	}
	lines := s.meter.measure(&status, now)
	if s.screen == nil {
		s.logProgress(&status, lines, now)
		return
	}
	_ = s.screen.draw(s.render(&status, lines, now)) // a terminal that is gone ends nothing
}

// learn asks once for the sizes of tables. Without an answer there is no time left to show, and nothing else is lost.
func (s *show) learn(ctx context.Context, tables []*schema.Table) {
	estimates, err := s.estimate(ctx, tables)
	if err != nil {
		s.log.Debug("estimated no rows", "err", err)
	}
	for _, t := range tables {
		s.meter.estimates[t.Name] = estimates[t.Name]
	}
}

// logProgress writes a line when something has moved, and once a minute when nothing has.
func (s *show) logProgress(status *pipeline.Status, lines []line, now time.Time) {
	sum := total(lines)
	moved := logged{status.State, sum.written, status.Commits, sum.count[pipeline.Stopped]}
	if moved == s.last && now.Sub(s.lastAt) < quietFor {
		return
	}
	s.last, s.lastAt = moved, now
	args := []any{
		"pipeline", status.Name, "state", status.State, "tables", len(lines), "copying", sum.count[pipeline.Copying],
		"following", sum.count[pipeline.Following], "stopped", sum.count[pipeline.Stopped], "rows", sum.written,
		"rows_per_s", int64(sum.rate), "lag", status.Lag.Round(time.Millisecond), "commits", status.Commits, "position", status.Position,
	}
	if status.Reason != "" {
		args = append(args, "err", status.Reason)
	}
	s.log.Info("progress", args...)
}

// totals are sums over tables.
type totals struct {
	count          map[pipeline.TableState]int
	written, chunk int64
	rate           float64
}

func total(lines []line) totals {
	t := totals{count: map[pipeline.TableState]int{}}
	for _, l := range lines {
		t.count[l.State]++
		t.written += l.Written
		t.chunk += l.Chunks
		t.rate += l.rate
	}
	return t
}

// render returns the lines of the terminal's block: the pipeline, then as many tables as there is room for.
func (s *show) render(status *pipeline.Status, lines []line, now time.Time) []string {
	sum := total(lines)
	head := fmt.Sprintf("%s  %s  %s  %s rows  %s rows/s  lag %s  %d commits", s.screen.paint(bold, status.Name),
		s.paintState(status.State), now.Sub(s.meter.began).Round(time.Second), thousands(sum.written), thousands(int64(sum.rate)), lag(status.Lag), status.Commits)
	block := []string{"", head}
	if status.Reason != "" {
		block = append(block, s.screen.paint(red, status.Reason))
	}
	if len(lines) == 0 {
		return block
	}
	_, height, _ := s.screen.size()
	room := max(1, height-len(block)-3)
	shown := lines[:min(len(lines), room)]
	block = append(block, s.table(shown)...)
	if hidden := lines[len(shown):]; len(hidden) > 0 {
		rest := total(hidden)
		block = append(block, fmt.Sprintf("and %d more: %d copying, %d following, %s rows/s", len(hidden), rest.count[pipeline.Copying],
			rest.count[pipeline.Following], thousands(int64(rest.rate))))
	}
	return block
}

func (s *show) table(lines []line) []string {
	width := len("TABLE")
	for _, l := range lines {
		width = max(width, len([]rune(l.Name.String())))
	}
	width = min(width, 48)
	rows := []string{fmt.Sprintf("%-*s  %-9s %13s %11s %8s %8s", width, "TABLE", "STATE", "ROWS", "ROWS/S", "CHUNKS", "ETA")}
	for _, l := range lines {
		state := fmt.Sprintf("%-9s", l.State)
		row := fmt.Sprintf("%s  %s %13s %11s %8d %8s", pad(l.Name.String(), width), s.screen.paint(tableColor(l.State), state),
			thousands(l.Written), thousands(int64(l.rate)), l.Chunks, eta(l))
		if l.Reason != "" {
			row = fmt.Sprintf("%s  %s %s", pad(l.Name.String(), width), s.screen.paint(tableColor(l.State), state), oneLine(l.Reason))
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *show) paintState(state pipeline.State) string {
	color := yellow
	switch state {
	case pipeline.Running, pipeline.Ended:
		color = green
	case pipeline.NeedsResync, pipeline.Fenced, pipeline.Failed:
		color = red
	case pipeline.Starting, pipeline.Retrying:
	}
	return s.screen.paint(color, state.String())
}

func tableColor(s pipeline.TableState) string {
	switch s {
	case pipeline.Stopped:
		return red
	case pipeline.Copying:
		return yellow
	case pipeline.Following:
		return green
	case pipeline.Dropped:
	}
	return ""
}

// pad fills or cuts text to a width in runes.
func pad(text string, width int) string {
	r := []rune(text)
	if len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-len(r))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func lag(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(100 * time.Millisecond).String()
}

func eta(l line) string {
	if l.eta == 0 {
		return "-"
	}
	return l.eta.String()
}

// thousands groups the digits of a number.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
