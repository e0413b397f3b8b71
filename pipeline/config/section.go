package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// A Section is a mapping of the file whose keys belong to one struct.
type Section struct {
	Type string // of a connector: mysql, iceberg

	file    *File
	path    string
	present bool
	entries []entry // not taken yet
}

func (s *Section) read(n *yaml.Node) {
	n = s.file.resolve(n, s.path)
	if n == nil {
		return
	}
	if n.Tag == "!!null" && s.path == "pipeline" {
		return // all defaults
	}
	if n.Kind != yaml.MappingNode {
		s.file.addAt(at(n), s.path, "expected keys with values, got "+describe(n))
		return
	}
	s.present = true
	s.entries = s.file.entries(s.path, n)
}

// take removes a key from the section.
func (s *Section) take(key string) (entry, bool) {
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	e := s.entries[i]
	s.entries = slices.Delete(s.entries, i, i+1)
	return e, true
}

// takeType takes the keys that every connector has.
func (s *Section) takeType() {
	if !s.present {
		if !s.file.has(s.path) {
			s.file.Report(s.path, "required: a section with type and the connector's keys")
		}
		return
	}
	if e, ok := s.take("type"); ok {
		s.file.decodeInto(&s.Type, e)
	}
	if s.Type == "" && !s.file.has(s.path+".type") {
		s.Report("type", "required: the connector to use")
	}
	s.take("name") // Flink's label of a connector; nothing shows it here
}

// Report adds a problem with a key of the section.
func (s *Section) Report(key, text string) { s.file.Report(join(s.path, key), text) }

// Decode fills the struct that into points to, which holds the defaults, with all keys of the section that are not taken
// yet. Fields are found by their yaml tag; a tag that ends in ".*" on a map[string]string takes all keys with that prefix.
// Then it asks into's methods Check() []option.Problem and Warnings() []string, where there are such. Whatever is wrong
// goes to the file's problems. An absent section is no problem here.
func (s *Section) Decode(into any) {
	if !s.present {
		return
	}
	fields := fieldsOf(reflect.ValueOf(into).Elem())
	for _, e := range s.entries {
		s.decodeEntry(fields, e)
	}
	if c, ok := into.(interface{ Check() []option.Problem }); ok {
		for _, p := range c.Check() {
			if path := join(s.path, p.Key); !s.file.has(path) {
				s.file.Report(path, p.Text)
			}
		}
	}
	if w, ok := into.(interface{ Warnings() []string }); ok {
		for _, text := range w.Warnings() {
			key, rest, _ := strings.Cut(text, " ")
			s.file.warnAt(s.file.find(join(s.path, key)), join(s.path, key), rest)
		}
	}
}

func (s *Section) decodeEntry(fields fields, e entry) {
	if v, ok := fields.named[e.key]; ok {
		s.file.decode(v, e)
		return
	}
	for prefix, m := range fields.prefixed {
		rest, ok := strings.CutPrefix(e.key, prefix)
		if !ok || rest == "" {
			continue
		}
		value := reflect.New(m.Type().Elem()).Elem()
		if s.file.decode(value, e) {
			if m.IsNil() {
				m.Set(reflect.MakeMap(m.Type()))
			}
			m.SetMapIndex(reflect.ValueOf(rest), value)
		}
		return
	}
	s.file.addAt(e.place, e.path, s.unknownKey(fields, e))
}

// flinks are keys of Flink CDC that have no counterpart here, by section, with the reason.
var flinks = map[string]string{ // read-only
	"pipeline.user-defined-function": notYet,
	"pipeline.model":                 notYet,
}

// unknownKey words the message for a key that the section has not.
func (s *Section) unknownKey(fields fields, e entry) string {
	if why, ok := flinks[e.path]; ok {
		return why
	}
	var known []string
	for key := range fields.named {
		known = append(known, key)
	}
	for prefix := range fields.prefixed {
		if e.key+"." == prefix {
			return fmt.Sprintf("keys are written flat here: %sNAME: value", prefix)
		}
		words := strings.SplitAfter(e.key, ".")
		if n := strings.Count(prefix, "."); len(words) > n {
			known = append(known, prefix+strings.Join(words[n:], ""))
		}
	}
	if s.path == "source" {
		known = append(known, "tables", "tables.exclude")
	}
	if s.path == "source" || s.path == "sink" {
		known = append(known, "type")
	}
	if s.path == "sink" {
		known = append(known, includeChanges, excludeChanges)
	}
	slices.Sort(known)
	for _, key := range known {
		if e.value.Kind == yaml.MappingNode && strings.HasPrefix(key, e.key+".") {
			return fmt.Sprintf("keys are written flat here: %s: value", key)
		}
	}
	return unknown("key", e.key, known)
}

// fields are the fields of a struct that keys go to.
type fields struct {
	named    map[string]reflect.Value
	prefixed map[string]reflect.Value // by the prefix, with its dot
}

func fieldsOf(v reflect.Value) fields {
	f := fields{named: map[string]reflect.Value{}, prefixed: map[string]reflect.Value{}}
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("yaml")
		if prefix, ok := strings.CutSuffix(tag, "*"); ok {
			f.prefixed[prefix] = v.Field(i)
		} else if tag != "" && tag != "-" {
			f.named[tag] = v.Field(i)
		}
	}
	return f
}

var (
	_ encoding.TextUnmarshaler = (*option.Bytes)(nil)
	_ encoding.TextUnmarshaler = (*RouteMode)(nil)
)
