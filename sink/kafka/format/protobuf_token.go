package format

import (
	"errors"
	"strconv"
	"strings"
)

// protobufTokens cuts a .proto file into names, numbers, strings with their quotes, and signs. Comments are left out.
func protobufTokens(text string) ([]string, error) {
	var tokens []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := 1
		switch c := text[0]; {
		case strings.HasPrefix(text, "//"):
			_, text, _ = strings.Cut(text, "\n")
			continue
		case strings.HasPrefix(text, "/*"):
			_, text, _ = strings.Cut(text, "*/")
			continue
		case c == '"' || c == '\'':
			if n = quoted(text); n == 0 {
				return nil, errors.New("read the registered Protobuf: a string has no end")
			}
		case inName(c):
			for n < len(text) && inName(text[n]) {
				n++
			}
		}
		tokens, text = append(tokens, text[:n]), text[n:]
	}
	return tokens, nil
}

// inName says that a byte can stand in a name, which may have several parts, or in a number.
func inName(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '.'
}

// quoted is the length of the string that a text begins with; 0: it has no end.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return 0
}

// protobufUnquote reads a string of a .proto file.
func protobufUnquote(token string) (string, error) {
	s := token[1 : len(token)-1]
	if token[0] == '\'' {
		s = strings.ReplaceAll(strings.ReplaceAll(s, `\'`, `'`), `"`, `\"`)
	}
	s, err := strconv.Unquote(`"` + s + `"`)
	if err != nil {
		return "", errors.New("read the registered Protobuf: " + token + " is no string")
	}
	return s, nil
}
