package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// What is compressed has no places of its own in the file. Its row images are numbered from the event's start instead:
// monotone and the same on every replay, and different for each image unless the event has fewer bytes than images.
type packed struct {
	next, last uint64 // Seqs; last is 0 outside compressed events

	inflater inflater
	zstd     *zstd.Decoder
	buf      []byte
}

// take returns the Seq of the next image.
func (p *packed) take() uint64 {
	seq := p.next
	p.next = min(p.next+1, p.last)
	return seq
}

// enter begins a compressed event, leave ends it.
func (a *assembler) enter(e *event) {
	a.packed.next, a.packed.last = a.seq(e.start), a.seq(max(e.stop, e.start+1))-1
}

func (a *assembler) leave() { a.packed.next, a.packed.last = 0, 0 }

// place is the Seq of what comes next.
func (a *assembler) place(e *event) uint64 {
	if a.packed.last != 0 {
		return a.packed.next
	}
	return a.seq(e.start)
}

const (
	// maxUnpacked is the largest event that servers log: a row has at most a gigabyte.
	maxUnpacked = 1<<30 + 1<<20
	// maxWindow bounds what decompressing may take.
	maxWindow = 64 << 20
)

var errPacked = errors.New("the compressed event is damaged")

// payload takes a transaction that MySQL has compressed: fields of type, length and value up to a zero type, then the
// transaction's events without checksums, in zstd.
func (a *assembler) payload(e *event) error {
	c := cursor{p: e.body}
	algorithm := uint64(0)
	const end, size, kind = 0, 1, 2
	for t := c.uint(1); t != end && !c.short; t = c.uint(1) {
		value := cursor{p: c.bytes(c.length())}
		if t == kind {
			algorithm = uint64(value.length())
		}
	}
	if c.short {
		return a.fatal(e, errShort.Error())
	}
	const plain, viaZstd = 255, 0
	if algorithm != viaZstd {
		return a.fatal(e, fmt.Sprintf("the transaction is compressed by algorithm %d, which is not known", algorithm))
	}
	a.enter(e)
	defer a.leave()
	if err := a.unpack(e, c.p); err != nil {
		return err
	}
	return nil
}

// unpack feeds the events inside to the assembler. They bear the places of the event around them.
func (a *assembler) unpack(outer *event, p []byte) (err error) {
	if a.packed.zstd == nil {
		a.packed.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return a.fatal(outer, err.Error())
		}
	}
	if err := a.packed.zstd.Reset(bytes.NewReader(p)); err != nil {
		return a.fatal(outer, err.Error())
	}
	for {
		inner, err := a.packed.event(outer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return a.fatal(outer, fmt.Sprintf("%v: %v", errPacked, err))
		}
		if err := a.event(&inner); err != nil {
			return err
		}
	}
}

// event reads one event of a compressed transaction.
func (p *packed) event(outer *event) (event, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(p.zstd, head[:]); err != nil {
		return event{}, err
	}
	size := u32(head[9:])
	if size < headerSize || size > maxUnpacked {
		return event{}, errSize
	}
	var err error
	p.buf, err = readFull(p.buf[:0], p.zstd, int(size)-headerSize)
	e := event{body: p.buf, start: outer.start, stop: outer.stop}
	e.header = header{u32(head[:]), replication.EventType(head[4]), u32(head[5:]), size, 0, u16(head[17:])}
	return e, err
}

// inflate unpacks what MariaDB has compressed: a byte whose lower three bits are the length of the size, the size
// big-endian, and a zlib stream.
func (p *packed) inflate(data []byte) ([]byte, error) {
	if len(data) < 1 {
		return nil, errShort
	}
	k := int(data[0] & 7)
	if len(data) < 1+k {
		return nil, errShort
	}
	size := bigEndian(data[1 : 1+k])
	if size > maxUnpacked {
		return nil, errPacked
	}
	return p.inflater.unpack(data[1+k:], int(size), 0, false)
}

// compressed takes a compressed event of MariaDB.
func (a *assembler) compressed(e *event) error {
	if e.kind == replication.MARIADB_QUERY_COMPRESSED_EVENT {
		head := len(e.body) - len(queryText(e.body))
		text, err := a.packed.inflate(e.body[head:])
		if err != nil {
			return a.fatal(e, err.Error())
		}
		plain := *e
		plain.body = append(bytes.Clone(e.body[:head]), text...)
		return a.query(&plain)
	}
	a.enter(e)
	defer a.leave()
	return a.rows(e, rowsKind(e.kind-replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1)+writeRows)
}

// packedRows says that the images of a rows event are compressed.
func packedRows(e *event) bool { return e.kind >= replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1 }
