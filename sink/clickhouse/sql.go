package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// quoteName spells a name as a ClickHouse identifier.
func quoteName(name string) string { return "`" + escaper.Replace(name) + "`" }

// quoteTable spells DATABASE.TABLE.
func quoteTable(n schema.Name) string { return quoteName(n.Namespace) + "." + quoteName(n.Table) }

// quoteText spells a text as a ClickHouse literal.
func quoteText(text string) string { return "'" + escaper.Replace(text) + "'" }

var escaper = strings.NewReplacer("\\", "\\\\", "`", "\\`", "'", "\\'", "\x00", "\\0", "\n", "\\n", "\r", "\\r", "\t", "\\t") // read-only

// A tokenKind says what a token of an SQL expression is.
type tokenKind uint8

const (
	word    tokenKind = iota // a name or a keyword
	name                     // a quoted name
	literal                  // a number or a quoted text
	symbol                   // one character: an operator, a comma, a parenthesis
)

// A token is a piece of an SQL expression.
type token struct {
	kind       tokenKind
	text       string // of names, without their quotes
	begin, end int
}

// tokens cuts an expression of the configuration up. It refuses what could end the statement that the expression goes
// into, or hide the rest of it: a semicolon, a comment, a quote or parenthesis that is not closed.
func tokens(sql string) ([]token, error) {
	var all []token
	depth := 0
	for at := 0; at < len(sql); {
		t, err := nextToken(sql, at)
		if err != nil {
			return nil, err
		}
		at = t.end
		if t.text == "" {
			continue // blank
		}
		if t.kind == symbol {
			switch t.text {
			case "(", "[":
				depth++
			case ")", "]":
				depth--
			}
		}
		if depth < 0 {
			return nil, fmt.Errorf("%q: closes a parenthesis that is not open", sql)
		}
		all = append(all, t)
	}
	if depth > 0 {
		return nil, fmt.Errorf("%q: a parenthesis is not closed", sql)
	}
	return all, nil
}

func nextToken(sql string, at int) (token, error) {
	c := sql[at]
	rest := sql[at:]
	switch {
	case strings.IndexByte(" \t\r\n", c) >= 0:
		return token{begin: at, end: at + 1}, nil
	case c == '\'' || c == '`' || c == '"':
		return quotedToken(sql, at)
	case c == ';' || c == '#' || strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*"):
		return token{}, fmt.Errorf("%q: neither ; nor comments can be here", sql)
	case isWord(c):
		end := at + 1
		for end < len(sql) && isWord(sql[end]) {
			end++
		}
		kind := word
		if c >= '0' && c <= '9' {
			kind = literal
		}
		return token{kind, sql[at:end], at, end}, nil
	}
	return token{symbol, sql[at : at+1], at, at + 1}, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func quotedToken(sql string, at int) (token, error) {
	quote := sql[at]
	var text strings.Builder
	for i := at + 1; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && i+1 < len(sql):
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			kind := name
			if quote == '\'' {
				kind = literal
			}
			if text.Len() == 0 {
				text.WriteByte(quote) // an empty literal is a token too
			}
			return token{kind, text.String(), at, i + 1}, nil
		}
		text.WriteByte(sql[i])
	}
	return token{}, fmt.Errorf("%q: a quote is not closed", sql)
}

// checkSQL says what is wrong with an expression of the configuration; ClickHouse finds the rest.
func checkSQL(sql string) error {
	all, err := tokens(sql)
	if err == nil && len(all) == 0 {
		err = errors.New("empty: write an expression, or leave the key out")
	}
	return err
}

// splitList cuts a list at the commas that are in no parenthesis and no quotes.
func splitList(sql string) ([]string, error) {
	all, err := tokens(sql)
	if err != nil {
		return nil, err
	}
	var items []string
	depth, begin := 0, 0
	for _, t := range all {
		if t.kind != symbol {
			continue
		}
		switch t.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case ",":
			if depth == 0 {
				items = append(items, strings.TrimSpace(sql[begin:t.begin]))
				begin = t.end
			}
		}
	}
	items = append(items, strings.TrimSpace(sql[begin:]))
	if slices.Contains(items, "") {
		return nil, fmt.Errorf("%q: a part is empty", sql)
	}
	return items, nil
}

// keywords may stand in an expression without being columns.
var keywords = map[string]bool{ // read-only
	"INTERVAL": true, "SECOND": true, "MINUTE": true, "HOUR": true, "DAY": true, "WEEK": true, "MONTH": true, "QUARTER": true, "YEAR": true,
	"AND": true, "OR": true, "NOT": true, "IN": true, "DIV": true, "MOD": true, "DELETE": true,
}

// columnsOf returns the columns that an expression names: the words that are neither functions nor keywords. A keyword that
// is a column's name is taken for the column.
func (l *layout) columnsOf(sql string) ([]string, error) {
	all, err := tokens(sql)
	if err != nil {
		return nil, err
	}
	var columns []string
	for i, t := range all {
		call := i+1 < len(all) && all[i+1].kind == symbol && all[i+1].text == "("
		known := !keywords[strings.ToUpper(t.text)] || l.column(t.text) >= 0
		if t.kind == name || t.kind == word && !call && known {
			columns = append(columns, t.text)
		}
	}
	return columns, nil
}
