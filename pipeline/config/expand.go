package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// expand replaces ${NAME} and ${NAME:-default} by environment variables; $${ stands for ${ itself. ${1} is left alone:
// it is a capture group of a route. Values are not expanded again. Errors name variables and never have their values.
func expand(text string, env Env) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			return b.String() + text, nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return "", errors.New("${ has no closing }; write $${ for a literal ${")
		}
		value, err := variable(text[i+2:i+end], env)
		if err != nil {
			return "", err
		}
		b.WriteString(text[:i] + value)
		text = text[i+end+1:]
	}
}

// variable returns what stands for ${inside}.
func variable(inside string, env Env) (string, error) {
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	switch {
	case isNumber(inside):
		return "${" + inside + "}", nil
	case !isName(name):
		return "", fmt.Errorf("${%s} is no variable: write ${NAME} or ${NAME:-default}, or $${ for a literal ${", name)
	}
	value, ok := env(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !ok:
		return "", fmt.Errorf("the environment variable %s is not set; set it, or write ${%s:-default}", name, name)
	}
	return value, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isName(s string) bool {
	for i, r := range []byte(s) {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// maxSecret is larger than any password, and smaller than what a wrong path may lead to.
const maxSecret = 64 << 10

// secret returns text, or when the value is written as file:PATH what that file holds, without the newline that editors
// put at its end. A variable's value is never taken for a path.
func (f *File) secret(n *yaml.Node, path, text string) (string, bool) {
	if !strings.HasPrefix(n.Value, "file:") {
		return text, true
	}
	name := f.Resolve(strings.TrimPrefix(text, "file:"))
	info, err := os.Stat(name)
	switch {
	case err != nil:
		f.addAt(at(n), path, fmt.Sprintf("read the secret: %v", err))
		return "", false
	case !info.Mode().IsRegular() || info.Size() > maxSecret:
		f.addAt(at(n), path, fmt.Sprintf("%s is no file that holds a secret: a plain file of at most 64KiB", name))
		return "", false
	case info.Mode().Perm()&0o007 != 0:
		f.warnAt(at(n), path, fmt.Sprintf("everybody on this machine may read %s; run chmod 600 on it", name))
	}
	content, err := os.ReadFile(name)
	if err != nil {
		f.addAt(at(n), path, fmt.Sprintf("read the secret: %v", err))
		return "", false
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if secret == "" {
		f.addAt(at(n), path, name+" is empty")
	}
	return secret, secret != ""
}
