package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The limits keep a small file from unfolding into a large one through aliases.
const (
	maxNodes = 100_000
	maxKey   = 256
)

// parseYAML returns the mapping that the file is, or nil after it has reported why there is none.
func (f *File) parseYAML(text []byte) *yaml.Node {
	var doc, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || doc.Content[0].Tag == "!!null") {
		f.addAt(place{1, 1}, "", "the file is empty; "+rootExample)
		return nil
	}
	if err != nil {
		f.reportSyntax(text, err)
		return nil
	}
	if err := d.Decode(&second); err == nil {
		f.addAt(at(&second), "", "a second YAML document begins here; one file holds one pipeline")
	} else if !errors.Is(err, io.EOF) {
		f.reportSyntax(text, err)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		f.addAt(at(root), "", "expected sections, got "+describe(root)+"; "+rootExample)
		return nil
	}
	return root
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// reportSyntax says what the parser says, and where a tab is to blame, that.
func (f *File) reportSyntax(text []byte, err error) {
	lines := strings.Split(string(text), "\n")
	line, what := 1, err.Error()
	if m := yamlError.FindStringSubmatch(strings.ReplaceAll(what, "\n", " ")); m != nil {
		what = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	for i, l := range lines {
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if col := strings.IndexByte(indent, '\t'); col >= 0 && strings.TrimSpace(l) != "" {
			f.addAt(place{i + 1, col + 1}, "", "found a tab; YAML is indented with spaces")
			return
		}
	}
	col := 1
	if line <= len(lines) {
		col += len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
	}
	f.addAt(place{line, col}, "", "YAML syntax: "+what)
}

// An entry is one key of a mapping with its value.
type entry struct {
	place
	path, key string
	value     *yaml.Node
}

// entries returns the keys of a mapping in order, each once.
func (f *File) entries(path string, n *yaml.Node) []entry {
	var entries []entry
	first := map[string]place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		e := entry{place: at(k), key: k.Value, value: n.Content[i+1]}
		e.path = join(path, e.key)
		switch before, twice := first[e.key]; {
		case k.Kind != yaml.ScalarNode || len(k.Value) > maxKey:
			f.addAt(e.place, path, "a key is one word, got "+describe(k))
		case k.Tag == "!!merge":
			f.addAt(e.place, path, "merge keys (<<) are not supported; write the keys out")
		case twice:
			f.addAt(e.place, e.path, fmt.Sprintf("stands twice; the first is at line %d", before.line))
		default:
			first[e.key] = e.place
			f.places[e.path] = e.place
			entries = append(entries, e)
		}
	}
	return entries
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// resolve follows aliases. It returns nil after it has reported that there is too much to visit.
func (f *File) resolve(n *yaml.Node, path string) *yaml.Node {
	f.budget--
	if f.budget == 0 {
		f.addAt(at(n), path, fmt.Sprintf("the file has more than %d values through its aliases; write them out", maxNodes))
	}
	if f.budget <= 0 {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias // never an alias itself
	}
	return n
}

// describe names a node's kind for people. The value is not shown: it may be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "nothing"
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		}
		return "a text"
	}
	return "an alias"
}
