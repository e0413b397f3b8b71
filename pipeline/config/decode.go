package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/pipeline/option"
)

// Tables says which tables: a text in Flink CDC's dialect, or a list of globs.
type Tables struct {
	Patterns []string
	Globs    bool // Patterns were a YAML list
}

func (f *File) decodeInto(into any, e entry) bool {
	return f.decode(reflect.ValueOf(into).Elem(), e)
}

// decode sets v from an entry's value, and says whether that went well.
func (f *File) decode(v reflect.Value, e entry) bool {
	n := f.resolve(e.value, e.path)
	if n == nil {
		return false
	}
	known := len(f.problems)
	switch target := v.Addr().Interface().(type) {
	case *Tables:
		target.Globs = n.Kind == yaml.SequenceNode
		target.Patterns = f.texts(n, e.path, nil)
	case *[]string:
		*target = f.texts(n, e.path, splitComma)
	default:
		if text, ok := f.scalar(n, e.path, v); ok {
			if err := set(v, text); err != nil {
				f.addAt(at(n), e.path, written(err.Error(), text, n.Value))
			}
		}
	}
	return len(f.problems) == known
}

// written puts what stands in the file in the place of what variables made of it: their values may be secrets.
func written(message, text, value string) string {
	if text == value || text == "" {
		return message
	}
	quoted := strconv.Quote(text)
	message = strings.ReplaceAll(message, quoted, strconv.Quote(value))
	message = strings.ReplaceAll(message, quoted[1:len(quoted)-1], value)
	return strings.ReplaceAll(message, text, value)
}

// texts reads a list of texts, or one text, which split may make several of.
func (f *File) texts(n *yaml.Node, path string, split func(string) []string) []string {
	if n.Kind != yaml.SequenceNode {
		text, ok := f.scalar(n, path, reflect.Value{})
		switch {
		case !ok:
			return nil
		case split != nil:
			return split(text)
		case strings.TrimSpace(text) == "":
			f.addAt(at(n), path, "is empty")
			return nil
		}
		return []string{text}
	}
	var texts []string
	for i, c := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if c = f.resolve(c, at); c == nil {
			return texts
		}
		f.places[at] = place{c.Line, c.Column}
		if text, ok := f.scalar(c, at, reflect.Value{}); ok {
			texts = append(texts, text)
		}
	}
	if len(n.Content) == 0 {
		f.addAt(place{n.Line, n.Column}, path, "the list is empty")
	}
	return texts
}

func splitComma(text string) []string {
	var texts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return texts
}

// scalar returns the text of a value, with its variables replaced. v is what it is for, if that is known.
func (f *File) scalar(n *yaml.Node, path string, v reflect.Value) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		f.addAt(at(n), path, "expected "+expected(v)+", got "+describe(n))
		return "", false
	case n.Tag == "!!null":
		f.addAt(at(n), path, `has no value; write one ("" for an empty text), or remove the key`)
		return "", false
	case n.Tag == "!!binary":
		f.addAt(at(n), path, "!!binary is not supported; write the value as text, or in a file")
		return "", false
	}
	text, err := expand(n.Value, f.env)
	if err != nil {
		f.addAt(at(n), path, err.Error())
		return "", false
	}
	if v.IsValid() && v.Type() == reflect.TypeFor[option.Secret]() {
		return f.secret(n, path, text)
	}
	return text, true
}

func expected(v reflect.Value) string {
	if !v.IsValid() {
		return "a text"
	}
	switch v.Interface().(type) {
	case time.Duration:
		return "a duration like 10s"
	case option.Bytes:
		return "a size like 64MiB"
	}
	switch {
	case v.CanInt() || v.CanUint():
		return "a whole number"
	case v.CanFloat():
		return "a number"
	case v.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a text"
}

// set gives v the value that text spells. Its error never has the text of a secret.
func set(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := parseDuration(text)
		*target = d
		return err
	case encoding.TextUnmarshaler:
		if err := target.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%w", err)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("expected true or false, got %q", text)
		}
		v.SetBool(text == "true")
	default:
		return setNumber(v, text)
	}
	return nil
}

func setNumber(v reflect.Value, text string) error {
	digits := strings.ReplaceAll(strings.TrimSpace(text), "_", "")
	var err error
	switch {
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(digits, 10, v.Type().Bits())
		v.SetInt(n)
	case v.CanUint():
		var n uint64
		n, err = strconv.ParseUint(digits, 10, v.Type().Bits())
		v.SetUint(n)
	case v.CanFloat():
		var n float64
		n, err = strconv.ParseFloat(digits, v.Type().Bits())
		if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
			err = strconv.ErrRange
		}
		v.SetFloat(n)
	default:
		panic(fmt.Sprintf("config: no way to decode into %s", v.Type()))
	}
	if err != nil {
		return fmt.Errorf("expected %s%s, got %q", expected(v), limits(v), text)
	}
	return nil
}

// limits spells what the type of a whole number holds.
func limits(v reflect.Value) string {
	bits := v.Type().Bits()
	switch {
	case v.CanUint():
		return fmt.Sprintf(" from 0 to %d", uint64(math.MaxUint64)>>(64-bits))
	case v.CanInt() && bits < 64:
		return fmt.Sprintf(" from %d to %d", -1<<(bits-1), 1<<(bits-1)-1)
	}
	return ""
}

// parseDuration reads Go's durations (1m30s) and Flink's (10 s, 3 min, 1 d).
func parseDuration(text string) (time.Duration, error) {
	s := strings.TrimSpace(text)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµμ ")
	unit := strings.ToLower(strings.TrimSpace(s[len(digits):]))
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		d, err := time.ParseDuration(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			return 0, fmt.Errorf("expected a duration like 10s, got %q", text)
		}
		return d, nil
	}
	if unit == "" {
		return 0, fmt.Errorf("%s has no unit; write %ss for seconds, or %sms for milliseconds", digits, digits, digits)
	}
	one, ok := durationUnit(unit)
	if !ok {
		return 0, fmt.Errorf("expected a duration like 10s, got %q", text)
	}
	if n > math.MaxInt64/int64(one) || n < math.MinInt64/int64(one) {
		return 0, fmt.Errorf("%q is longer than any duration can be", text)
	}
	return time.Duration(n) * one, nil
}

func durationUnit(unit string) (time.Duration, bool) {
	switch unit {
	case "ns", "nano", "nanosecond", "nanoseconds":
		return time.Nanosecond, true
	case "us", "µs", "μs", "micro", "microsecond", "microseconds":
		return time.Microsecond, true
	case "ms", "milli", "millis", "millisecond", "milliseconds":
		return time.Millisecond, true
	case "s", "sec", "second", "seconds":
		return time.Second, true
	case "m", "min", "minute", "minutes":
		return time.Minute, true
	case "h", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return 24 * time.Hour, true
	}
	return 0, false
}
