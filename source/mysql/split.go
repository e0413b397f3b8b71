package mysql

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// splitFrom is the distance between the least and the largest number of a key from which it is worth cutting: below, a
// table is a few chunks at the most.
const splitFrom = 50_000

// Split cuts the key space by arithmetic when the key begins with an integer. It asks for the least and the largest one,
// which are the two ends of the index, and for no statistics. Other tables are one range.
func (s *Source) Split(ctx context.Context, t *schema.Table, n int) ([]source.Range, error) {
	whole := []source.Range{{}}
	if n < 2 || len(t.Key) == 0 {
		return whole, nil
	}
	c := &t.Columns[t.Key[0]]
	if c.Type.Kind != schema.Int && c.Type.Kind != schema.Uint {
		return whole, nil
	}
	var row []string
	err := s.with(ctx, func(cn *conn) error {
		rows, err := cn.query(ctx, fmt.Sprintf("SELECT MIN(%[1]s), MAX(%[1]s) FROM %s", quote(c.Name), quoteTable(t.Name)))
		if err == nil && len(rows) == 1 {
			row = rows[0]
		}
		return err
	})
	if err != nil {
		return nil, s.tableError(t, "split the key", err)
	}
	if row == nil || row[0] == "" {
		return whole, nil
	}
	if c.Type.Kind == schema.Uint {
		return cutUnsigned(row[0], row[1], n)
	}
	return cutSigned(row[0], row[1], n)
}

func cutUnsigned(low, high string, n int) ([]source.Range, error) {
	a, errA := strconv.ParseUint(low, 10, 64)
	b, errB := strconv.ParseUint(high, 10, 64)
	if errA != nil || errB != nil {
		return nil, fmt.Errorf("split the key: %s to %s are no numbers", low, high)
	}
	return cuts(a, b-a, n, func(v uint64) source.Key { return source.Key("u" + strconv.FormatUint(v, 10)) }), nil
}

func cutSigned(low, high string, n int) ([]source.Range, error) {
	a, errA := strconv.ParseInt(low, 10, 64)
	b, errB := strconv.ParseInt(high, 10, 64)
	if errA != nil || errB != nil {
		return nil, fmt.Errorf("split the key: %s to %s are no numbers", low, high)
	}
	// In two's complement the distance is right even where the difference does not fit a signed number.
	return cuts(uint64(a), uint64(b)-uint64(a), n, func(v uint64) source.Key { return source.Key("i" + strconv.FormatInt(int64(v), 10)) }), nil
}

// cuts makes n ranges of the numbers from low to low + distance, the outer ones open.
func cuts(low, distance uint64, n int, key func(uint64) source.Key) []source.Range {
	if distance < splitFrom {
		n = 1
	}
	ranges := make([]source.Range, n)
	for i := 1; i < n; i++ {
		high, product := bits.Mul64(distance, uint64(i))
		offset, _ := bits.Div64(high, product, uint64(n))
		cut := key(low + offset)
		ranges[i-1].Through, ranges[i].After = cut, cut
	}
	return ranges
}
