package binlog

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/cdcsync/cdcsync/schema/row"
)

// An inflater unpacks zlib streams, one after the other, in the same memory.
type inflater struct {
	src  bytes.Reader
	zlib io.ReadCloser
	raw  io.ReadCloser // without zlib's header and checksum
	buf  []byte
	more [1]byte
}

// keptBytes is how much memory is kept for the next value: one giant one must not pin its own for ever.
const keptBytes = 8 << 20

// unpack reads a stream that holds exactly size bytes. They are valid until the next call. lead is how many bytes are left
// free before them.
func (f *inflater) unpack(data []byte, size, lead int, raw bool) ([]byte, error) {
	r, err := f.open(data, raw)
	if err == nil {
		if cap(f.buf) > keptBytes {
			f.buf = nil
		}
		f.buf, err = readFull(append(f.buf[:0], make([]byte, lead)...), r, size)
	}
	if err == nil {
		if n, end := r.Read(f.more[:]); n > 0 || !errors.Is(end, io.EOF) {
			err = errors.Join(fmt.Errorf("it has other bytes than the %d it tells of", size), end)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	return f.buf, nil
}

func (f *inflater) open(data []byte, raw bool) (r io.Reader, err error) {
	f.src.Reset(data)
	switch {
	case raw && f.raw == nil:
		f.raw = flate.NewReader(&f.src)
	case raw:
		err = f.raw.(flate.Resetter).Reset(&f.src, nil)
	case f.zlib == nil:
		f.zlib, err = zlib.NewReader(&f.src)
	default:
		err = f.zlib.(zlib.Resetter).Reset(&f.src, nil)
	}
	if raw {
		return f.raw, err
	}
	return f.zlib, err
}

// readFull appends n bytes to buf, which grows with what is there rather than with what is promised.
func readFull(buf []byte, r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	for n > 0 {
		at, k := len(buf), min(n, step)
		buf = append(buf, make([]byte, k)...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return buf, errors.Join(io.ErrUnexpectedEOF, err)
		}
		n -= k
	}
	return buf, nil
}

// A packedColumn decodes MariaDB's COMPRESSED columns. An empty value is empty; another one begins with a byte whose upper
// half is the method:
//
//	0    the value follows as it is
//	8    bit 3: there is no zlib header; bits 0 to 2: the length of the size; then the size, big-endian, and a zlib stream
type packedColumn struct {
	plain    column // decodes what was packed, behind a length of 4 bytes
	limit    uint64 // the longest value that the column may hold
	inflater *inflater
}

// decode appends a value as it was before it was packed.
func (c *packedColumn) decode(v *row.Vector, value []byte) error {
	plain, err := c.unpack(value)
	if err != nil {
		return err
	}
	_, err = c.plain.variable(v, plain)
	return err
}

// unpack returns the value behind its length, which is what the plain column reads.
func (c *packedColumn) unpack(value []byte) ([]byte, error) {
	const (
		lead        = 4
		stored, zip = 0, 8
	)
	f, plain := c.inflater, value[min(1, len(value)):]
	if len(value) > 0 && value[0]>>4 != stored {
		k := int(value[0] & 7)
		if value[0]>>4 != zip || len(plain) < k || k > 4 {
			return nil, errPacked
		}
		size := bigEndian(plain[:k])
		if size > min(c.limit, maxUnpacked) {
			return nil, fmt.Errorf("%w: %d bytes are more than the column holds", errPacked, size)
		}
		if _, err := f.unpack(plain[k:], int(size), lead, value[0]&8 != 0); err != nil {
			return nil, err
		}
	} else {
		f.buf = append(append(f.buf[:0], make([]byte, lead)...), plain...)
	}
	putU32(f.buf, uint32(len(f.buf)-lead))
	return f.buf, nil
}
