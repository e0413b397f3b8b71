package formattest

import (
	"encoding/json"
	"fmt"
)

// Check compares a value with its schema in all depths: the fields of structs, the elements of lists, the literal types,
// and that nothing is null that must not be.
func Check(f *Field, value json.RawMessage) error {
	if string(value) == "null" {
		if f.Optional {
			return nil
		}
		return fmt.Errorf("%s is null", f.Field)
	}
	switch f.Type {
	case "struct":
		return checkStruct(f, value)
	case "array":
		list, err := decode[[]json.RawMessage](value)
		for i := 0; err == nil && i < len(list); i++ {
			err = Check(f.Items, list[i])
		}
		return err
	case "boolean":
		return checkAs[bool](f, value)
	case "string":
		return checkAs[string](f, value)
	case "bytes":
		return checkAs[[]byte](f, value)
	case "int16":
		return checkAs[int16](f, value)
	case "int32":
		return checkAs[int32](f, value)
	case "int64":
		return checkAs[int64](f, value)
	case "float", "double":
		return checkAs[float64](f, value)
	}
	return fmt.Errorf("%s: type %q is not known", f.Field, f.Type)
}

func checkAs[T any](f *Field, value json.RawMessage) error {
	if _, err := decode[T](value); err != nil {
		return fmt.Errorf("%s: %w", f.Field, err)
	}
	return nil
}

func checkStruct(f *Field, value json.RawMessage) error {
	fields, err := decode[map[string]json.RawMessage](value)
	if err != nil || len(fields) != len(f.Fields) {
		return fmt.Errorf("%s: %d fields, the schema has %d (%w)", f.Field, len(fields), len(f.Fields), err)
	}
	for i := range f.Fields {
		v, ok := fields[f.Fields[i].Field]
		if !ok {
			return fmt.Errorf("%s has no %s", f.Field, f.Fields[i].Field)
		}
		if err := Check(&f.Fields[i], v); err != nil {
			return fmt.Errorf("%s: %w", f.Field, err)
		}
	}
	return nil
}
