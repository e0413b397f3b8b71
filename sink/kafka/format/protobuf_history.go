package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A protobufEarlier is what an earlier version of a message had.
type protobufEarlier struct {
	columns       map[string]earlierField // by the name of their column; nil: there is no earlier version
	reserved      map[int32]bool
	reservedNames map[string]bool
}

// An earlierField is one field of an earlier version.
type earlierField struct {
	name, kind string
	number     int32
}

// protobufHistory reads a message of a registered file: only what tells its fields apart.
func protobufHistory(text, message string) (*protobufEarlier, error) {
	e := &protobufEarlier{reserved: map[int32]bool{}, reservedNames: map[string]bool{}}
	if text == "" {
		return e, nil
	}
	tokens, err := protobufTokens(text)
	if err != nil {
		return nil, err
	}
	for i := 0; i+2 < len(tokens); i++ {
		switch {
		case tokens[i] == "{": // of another message, or of what else has a body
			i = closing(tokens, i)
		case tokens[i] == "message" && tokens[i+1] == message && tokens[i+2] == "{":
			e.columns = map[string]earlierField{}
			return e, e.read(tokens[i+3 : closing(tokens, i+2)])
		}
	}
	return e, nil
}

// closing is the place of the brace that ends the block which begins at i.
func closing(tokens []string, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch tokens[i] {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(tokens)
}

// read takes the statements of a message.
func (e *protobufEarlier) read(tokens []string) error {
	from := 0
	for i := 0; i < len(tokens); i++ {
		switch tokens[i] {
		case "{": // a type within the message, or a choice, which cdcsync writes none of
			i = closing(tokens, i)
			from = i + 1
		case ";":
			if err := e.statement(tokens[from:i]); err != nil {
				return err
			}
			from = i + 1
		}
	}
	return nil
}

func (e *protobufEarlier) statement(tokens []string) error {
	equals := slices.Index(tokens, "=")
	switch {
	case len(tokens) == 0 || tokens[0] == "option":
		return nil
	case tokens[0] == "reserved" && equals < 0:
		return e.readReserved(tokens[1:])
	case equals < 2 || equals+1 == len(tokens):
		return nil
	}
	n, err := strconv.ParseInt(tokens[equals+1], 0, 32)
	if err != nil {
		return fmt.Errorf("read the registered Protobuf: %q is no field number", tokens[equals+1])
	}
	f := earlierField{name: tokens[equals-1], number: int32(n), kind: tokens[equals-2]}
	f.kind = f.kind[strings.LastIndexByte(f.kind, '.')+1:]
	column := f.name
	if at := slices.Index(tokens, "json_name"); at > equals && at+2 < len(tokens) {
		if column, err = protobufUnquote(tokens[at+2]); err != nil {
			return err
		}
	}
	e.columns[column] = f
	return nil
}

// readReserved takes the list of a reserved statement: numbers, ranges, names.
func (e *protobufEarlier) readReserved(tokens []string) error {
	var last int32
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t == ",":
		case t[0] == '"' || t[0] == '\'':
			name, err := protobufUnquote(t)
			if err != nil {
				return err
			}
			e.reservedNames[name] = true
		case t == "to" && i+1 < len(tokens) && tokens[i+1] == "max":
			return fmt.Errorf("read the registered Protobuf: all numbers from %d on are reserved: none is left for new columns", last)
		default:
			n, err := strconv.ParseInt(t, 0, 32)
			if t == "to" && i+1 < len(tokens) {
				i++
				n, err = strconv.ParseInt(tokens[i], 0, 32)
			} else {
				last = int32(n)
			}
			if err != nil || n > maxFieldNumber || n-int64(last) > maxReserved {
				return fmt.Errorf("read the registered Protobuf: %q is nothing that can be reserved", t)
			}
			for k := last; k <= int32(n); k++ {
				e.reserved[k] = true
			}
			last = int32(n)
		}
	}
	return nil
}
