package ddl

import (
	"fmt"

	"github.com/cdcsync/cdcsync/schema"
)

// setKey chooses the key of a table: the primary key, else the first unique key that cannot be NULL. Keys over the
// beginning of a column or over an expression identify nothing. It leaves the key as it is where none of them is usable.
// t is new: it is changed in place.
func setKey(t *schema.Table, primary []KeyPart, unique [][]KeyPart) error {
	key, whole, err := keyColumns(t, primary)
	if err != nil {
		return err
	}
	for _, i := range key {
		t.Columns[i].Nullable = false
	}
	if whole && len(key) > 0 {
		t.Key, t.Unique = key, false
		return nil
	}
	for _, u := range unique {
		key, whole, err := keyColumns(t, u)
		if err != nil {
			return err
		}
		if whole && notNull(t, key) {
			t.Key, t.Unique = key, true
			return nil
		}
	}
	return nil
}

// keyColumns finds the columns of a key; whole says that it is over whole columns.
func keyColumns(t *schema.Table, parts []KeyPart) (key []int, whole bool, err error) {
	whole = true
	for _, part := range parts {
		if part.Prefix {
			whole = false
		}
		if part.Column == "" {
			continue
		}
		i := t.Column(part.Column)
		if i < 0 {
			return nil, false, fmt.Errorf("key of %s: column %q is not known", t.Name, part.Column)
		}
		key = append(key, i)
	}
	return key, whole, nil
}

func notNull(t *schema.Table, key []int) bool {
	for _, i := range key {
		if t.Columns[i].Nullable {
			return false
		}
	}
	return len(key) > 0
}
