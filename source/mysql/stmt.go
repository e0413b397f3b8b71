package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
)

// A stmt is a prepared statement of one connection.
type stmt struct {
	id      uint32
	columns []column
	params  int
}

// A column is what the server says of a column of a result.
type column struct {
	wire     byte // type
	unsigned bool
	decimals byte
	charset  uint16
}

// prepare returns the statement's preparation on this connection, made when it is not there yet.
func (c *conn) prepare(ctx context.Context, sql string) (*stmt, error) {
	if st, ok := c.stmts[sql]; ok {
		return st, nil
	}
	if len(c.order) >= maxStatements {
		if err := c.forget(ctx, c.order[0]); err != nil {
			return nil, err
		}
	}
	st := new(stmt)
	err := c.guard(ctx, func() error {
		c.begin(comStmtPrepare)
		c.out = append(c.out, sql...)
		if err := c.send(); err != nil {
			return err
		}
		return c.prepared(st)
	})
	if err != nil {
		return nil, err
	}
	c.stmts[sql] = st
	c.order = append(c.order, sql)
	return st, nil
}

// prepared reads the answer to a preparation.
func (c *conn) prepared(st *stmt) error {
	p, err := c.next()
	if err != nil {
		return err
	}
	if len(p) > 0 && p[0] == headerErr {
		return parseError(p)
	}
	if len(p) < 12 || p[0] != headerOK {
		return errMalformed
	}
	st.id = binary.LittleEndian.Uint32(p[1:])
	columns := int(binary.LittleEndian.Uint16(p[5:]))
	st.params = int(binary.LittleEndian.Uint16(p[7:]))
	if st.params > 0 {
		if err := c.skipToEOF(st.params); err != nil {
			return err
		}
	}
	if columns == 0 {
		return nil
	}
	return c.columns(st, columns)
}

// columns reads n column definitions.
func (c *conn) columns(st *stmt, n int) error {
	st.columns = st.columns[:0]
	for range n {
		p, err := c.next()
		if err != nil {
			return err
		}
		col, err := parseColumn(p)
		if err != nil {
			return err
		}
		st.columns = append(st.columns, col)
	}
	return c.wantEOF()
}

// parseColumn reads a column definition: six strings (catalog, schema, table, its origin, name, its origin), then a
// block of 12 bytes.
func parseColumn(p []byte) (column, error) {
	at := 0
	for range 6 {
		if _, at = bytesAt(p, at); at < 0 {
			return column{}, fmt.Errorf("%w: column definition", errMalformed)
		}
	}
	if len(p)-at < 11 {
		return column{}, fmt.Errorf("%w: column definition", errMalformed)
	}
	p = p[at+1:]
	flags := binary.LittleEndian.Uint16(p[7:])
	return column{
		charset:  binary.LittleEndian.Uint16(p),
		wire:     p[6],
		unsigned: flags&0x20 != 0,
		decimals: p[9],
	}, nil
}

// forget closes a statement. The server does not answer to that.
func (c *conn) forget(ctx context.Context, sql string) error {
	st := c.stmts[sql]
	delete(c.stmts, sql)
	for i, text := range c.order {
		if text == sql {
			c.order = append(c.order[:i], c.order[i+1:]...)
			break
		}
	}
	return c.guard(ctx, func() error {
		c.begin(comStmtClose)
		c.out = binary.LittleEndian.AppendUint32(c.out, st.id)
		return c.send()
	})
}

// A param is an argument of a statement.
type param struct {
	wire     byte
	unsigned bool
	number   uint64
	text     string
}

// execute sends the statement with its arguments and reads the answer up to the first row.
func (c *conn) execute(st *stmt, params []param) error {
	if len(params) != st.params {
		return fmt.Errorf("statement takes %d arguments, not %d", st.params, len(params))
	}
	c.begin(comStmtExecute)
	c.out = binary.LittleEndian.AppendUint32(c.out, st.id)
	c.out = append(c.out, 0, 1, 0, 0, 0) // no cursor, one iteration
	c.out = appendParams(c.out, params)
	if err := c.send(); err != nil {
		return err
	}
	n, err := c.resultHead()
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: no rows come", errMalformed)
	}
	return c.columns(st, n)
}

func appendParams(dst []byte, params []param) []byte {
	if len(params) == 0 {
		return dst
	}
	dst = append(dst, make([]byte, (len(params)+7)/8)...) // no NULLs
	dst = append(dst, 1)                                  // types follow
	for _, p := range params {
		unsigned := byte(0)
		if p.unsigned {
			unsigned = 0x80
		}
		dst = append(dst, p.wire, unsigned)
	}
	for _, p := range params {
		if p.wire == typeLonglong || p.wire == typeDouble {
			dst = binary.LittleEndian.AppendUint64(dst, p.number)
			continue
		}
		dst = appendLenenc(dst, uint64(len(p.text)))
		dst = append(dst, p.text...)
	}
	return dst
}
