package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/cdcsync/cdcsync/schema"
)

func peekCommand() *command {
	return &command{
		name: "peek", args: "FILE TABLE [-n ROWS]", summary: "print rows of a sink table, read back from the sink",
		detail: "TABLE is named as in the sink: namespace.table. NULL is printed as NULL, bytes as hex.",
		flags: func(c *call) {
			c.flags.IntVar(&c.limit, "n", 10, "print at most `ROWS` rows; 0: all")
		},
		run: runPeek,
	}
}

func runPeek(ctx context.Context, a *app, c *call) (err error) {
	path, rest, err := c.file(1, 1)
	if err != nil {
		return err
	}
	if c.limit < 0 {
		return c.usage("-n %d: a number of rows, or 0 for all", c.limit)
	}
	namespace, table, ok := strings.Cut(rest[0], ".")
	if !ok || namespace == "" || table == "" {
		return c.usage("%q is no table: write namespace.table, as in the sink", rest[0])
	}
	j, err := a.load(path)
	if err != nil {
		return err
	}
	snk, err := j.existing(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snk.Close()) }()
	columns, rows, err := snk.peek(ctx, schema.Name{Namespace: namespace, Table: table}, c.limit)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{columns}, rows...) {
		for i, cell := range r {
			r[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// printable makes a value one line of a terminal, cut where it is long.
func printable(cell string) string {
	const longest = 60
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, cell))
	if len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return string(runes)
}
