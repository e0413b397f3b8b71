package ddl

import (
	"errors"
	"strings"
)

// A tokenKind is what a token is.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // an unquoted name or keyword
	tokenQuoted           // a quoted name
	tokenString           // a string literal
	tokenNumber           // a number without sign; hexadecimal and binary ones too
	tokenPunct            // any other single byte
)

// A token is a piece of a statement. Its text is what it means: unquoted and unescaped.
type token struct {
	kind       tokenKind
	text       string
	start, end int // the bytes of the statement that it stands in
}

var (
	errOpenQuote   = errors.New("a quote is not closed")
	errOpenComment = errors.New("a comment is not closed")
)

// A lexer cuts a statement into tokens. Comments are blanks, but for the contents of versioned comments that the server
// of the mode executes.
type lexer struct {
	src       string
	pos       int
	mode      Mode
	versioned bool // inside a versioned comment that is executed: its end is a blank
	dotted    bool // the token before was a dot: digits begin a name
}

// lex returns all tokens of a statement, without the end.
func lex(src string, mode Mode) ([]token, error) {
	l := lexer{src: src, mode: mode}
	var toks []token
	for {
		t, err := l.next()
		if err != nil || t.kind == tokenEnd {
			return toks, err
		}
		toks = append(toks, t)
	}
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	if err := l.skipBlanks(); err != nil {
		return token{}, err
	}
	if l.pos >= len(l.src) {
		return token{start: l.pos, end: l.pos}, nil
	}
	dotted := l.dotted
	l.dotted = false
	switch c := l.src[l.pos]; {
	case c == '`' || c == '"' && l.mode.ANSIQuotes:
		return l.quoted(c, tokenQuoted)
	case c == '\'' || c == '"':
		return l.quoted(c, tokenString)
	case isDigit(c) && !dotted:
		return l.number(), nil
	case isNameByte(c):
		return l.word(), nil
	default:
		l.dotted = c == '.'
		l.pos++
		return token{tokenPunct, l.src[l.pos-1 : l.pos], l.pos - 1, l.pos}, nil
	}
}

// skipBlanks moves to the next token.
func (l *lexer) skipBlanks() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case rest[0] <= ' ' || rest[0] == 0x7f:
			l.pos++
		case rest[0] == '#' || isDashComment(rest):
			l.skipLine()
		case l.versioned && strings.HasPrefix(rest, "*/"):
			l.versioned = false
			l.pos += 2
		case strings.HasPrefix(rest, "/*"):
			if err := l.openComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	if l.versioned {
		return errOpenComment
	}
	return nil
}

// isDashComment says that a comment to the end of the line begins: two dashes and a blank.
func isDashComment(s string) bool {
	return strings.HasPrefix(s, "--") && (len(s) == 2 || s[2] <= ' ')
}

func (l *lexer) skipLine() {
	if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
		l.pos += i + 1
		return
	}
	l.pos = len(l.src)
}

// openComment enters a versioned comment that is executed, and skips any other.
func (l *lexer) openComment() error {
	body := l.src[l.pos+2:]
	head := len(body)
	body, own := strings.CutPrefix(body, "M!")
	body, common := strings.CutPrefix(body, "!")
	if !own && !common {
		return l.skipComment(false)
	}
	digits := 0
	for digits < len(body) && digits < 6 && isDigit(body[digits]) {
		digits++
	}
	if digits < 5 {
		digits = 0
	}
	if l.versioned || !l.mode.executes(own, number(body[:digits])) {
		return l.skipComment(true)
	}
	l.versioned = true
	l.pos += 2 + head - len(body) + digits
	return nil
}

// skipComment skips a comment. One that would be executed by another server may have plain comments in it.
func (l *lexer) skipComment(nests bool) error {
	at := l.pos + 2
	for depth := 1; ; {
		i := strings.Index(l.src[at:], "*/")
		if i < 0 {
			l.pos = len(l.src)
			return errOpenComment
		}
		if j := strings.Index(l.src[at:at+i], "/*"); nests && depth == 1 && j >= 0 {
			depth, at = 2, at+j+2
			continue
		}
		at += i + 2
		if depth--; depth == 0 {
			l.pos = at
			return nil
		}
	}
}

// quoted reads a quoted name or a string.
func (l *lexer) quoted(quote byte, kind tokenKind) (token, error) {
	start := l.pos
	escapes := kind == tokenString && !l.mode.NoBackslashEscapes
	var text strings.Builder
	for l.pos++; l.pos < len(l.src); l.pos++ {
		c := l.src[l.pos]
		switch {
		case c == '\\' && escapes && l.pos+1 < len(l.src):
			l.pos++
			text.WriteString(unescape(l.src[l.pos]))
		case c == quote && l.pos+1 < len(l.src) && l.src[l.pos+1] == quote:
			l.pos++
			text.WriteByte(c)
		case c == quote:
			l.pos++
			return token{kind, known(kind, text.String()), start, l.pos}, nil
		default:
			text.WriteByte(c)
		}
	}
	return token{}, errOpenQuote
}

// unescape returns what a backslash and c mean in a string.
func unescape(c byte) string {
	switch c {
	case '0':
		return "\x00"
	case 'b':
		return "\b"
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return "\\" + string(rune(c))
	}
	return string([]byte{c})
}

func (l *lexer) word() token {
	start := l.pos
	for l.pos < len(l.src) && isNameByte(l.src[l.pos]) {
		l.pos++
	}
	return token{tokenWord, known(tokenWord, l.src[start:l.pos]), start, l.pos}
}

// known returns a name as the server keeps it: characters beyond the basic plane become question marks in MySQL, and
// MariaDB has none.
func known(kind tokenKind, text string) string {
	beyond := func(r rune) bool { return r > 0xffff }
	if kind == tokenString || strings.IndexFunc(text, beyond) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if beyond(r) {
			return '?'
		}
		return r
	}, text)
}

// number reads a number, or a name that begins with a digit.
func (l *lexer) number() token {
	t := l.word()
	rest := strings.TrimLeft(t.text, "0123456789")
	switch {
	case rest == "":
		l.fraction()
	case t.text[0] == '0' && len(t.text) > 2 && (rest[0] == 'x' || rest[0] == 'b') && len(rest) == len(t.text)-1:
		// 0x41, 0b01
	case (rest[0] == 'e' || rest[0] == 'E') && strings.Trim(rest[1:], "0123456789") == "":
		if rest == "e" || rest == "E" {
			if !l.signedDigits() {
				return t
			}
		}
	default:
		return t
	}
	return token{tokenNumber, l.src[t.start:l.pos], t.start, l.pos}
}

// fraction reads what follows the digits before the point.
func (l *lexer) fraction() {
	if l.pos >= len(l.src) || l.src[l.pos] != '.' {
		return
	}
	l.pos++
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
	if l.pos < len(l.src) && (l.src[l.pos] == 'e' || l.src[l.pos] == 'E') {
		l.pos++
		l.signedDigits()
	}
}

// signedDigits reads an exponent, which must have a digit.
func (l *lexer) signedDigits() bool {
	at := l.pos
	if at < len(l.src) && (l.src[at] == '+' || l.src[at] == '-') {
		at++
	}
	first := at
	for at < len(l.src) && isDigit(l.src[at]) {
		at++
	}
	if at == first {
		return false
	}
	l.pos = at
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNameByte says that c may stand in an unquoted name. All of Unicode beyond ASCII may.
func isNameByte(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// number reads at most nine digits; other text is 0.
func number(s string) int {
	n := 0
	for i := 0; i < len(s) && i < 9; i++ {
		if !isDigit(s[i]) {
			return 0
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}
