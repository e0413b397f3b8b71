package binlog

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/go-mysql-org/go-mysql/replication"
)

// An event of the log is a header of 19 bytes, a body, and a checksum of 4 bytes where the log's format description says
// so:
//
//	time 4 | type 1 | server id 4 | size 4 | end in the file 4 | flags 2 | body | CRC-32
type header struct {
	time   uint32 // seconds since the epoch
	kind   replication.EventType
	server uint32
	size   uint32
	end    uint32 // the lower 32 bits; 0: not said
	flags  uint16
}

const (
	headerSize   = 19
	checksumSize = 4
)

// An event is one event, and where it stands.
type event struct {
	header
	body  []byte // without header and checksum; points into the reader's buffer
	start uint64 // in the file
	stop  uint64
}

var errSize = errors.New("an event's size is not that of its packet")

// parseHeader reads the header of a whole event.
func parseHeader(p []byte) (header, error) {
	if len(p) < headerSize {
		return header{}, errShort
	}
	h := header{u32(p), replication.EventType(p[4]), u32(p[5:]), u32(p[9:]), u32(p[13:]), u16(p[17:])}
	if h.size != uint32(len(p)) {
		return h, errSize
	}
	return h, nil
}

// artificial events are made up by the server for this connection: they stand nowhere in the file.
func (h *header) artificial() bool { return h.flags&replication.LOG_EVENT_ARTIFICIAL_F != 0 }

// checksummed returns whether the last four bytes are the CRC-32 of those before.
func checksummed(p []byte) bool {
	if len(p) < headerSize+checksumSize {
		return false
	}
	at := len(p) - checksumSize
	return crc32.ChecksumIEEE(p[:at]) == u32(p[at:])
}

// A framer cuts events out of packets: it verifies checksums and counts where in the file each event stands. MariaDB from
// 11.4 on does not say where the events inside a transaction end, and all servers say only the lower 32 bits.
type framer struct {
	file   string
	offset uint64 // where the next event begins
	sums   bool   // the current file has checksums
}

// next takes an event apart. p is valid until the next packet is read.
func (f *framer) next(p []byte) (event, error) {
	h, err := parseHeader(p)
	if err != nil {
		return event{}, fmt.Errorf("read event at %s:%d: %w", f.file, f.offset, err)
	}
	e := event{header: h, body: p[headerSize:]}
	switch {
	case h.kind == replication.FORMAT_DESCRIPTION_EVENT:
		err = f.describe(p)
		e.body = e.body[:max(0, len(e.body)-checksumSize-1)]
	case h.kind == replication.ROTATE_EVENT && h.artificial():
		// It may come before the description of its file's format, so its own bytes must tell.
		if checksummed(p) {
			e.body = e.body[:len(e.body)-checksumSize]
		}
	case f.sums:
		if !checksummed(p) {
			err = errChecksum
			break
		}
		e.body = e.body[:len(e.body)-checksumSize]
	}
	if err != nil {
		return e, fmt.Errorf("read event at %s:%d: %w", f.file, f.offset, err)
	}
	if err := f.place(&e); err != nil {
		return e, fmt.Errorf("read event at %s:%d: %w", f.file, f.offset, err)
	}
	return e, nil
}

var (
	errPlace    = errors.New("the event says that it ends before the place where it begins")
	errChecksum = errors.New("the checksum does not match: the event was damaged on the way or on disk")
	errFormat   = errors.New("the format description is not of version 4: the server is too old")
)

// describe reads the format description: whether events have checksums. Its last five bytes are the algorithm and its
// own checksum, which counts only if there is an algorithm.
func (f *framer) describe(p []byte) error {
	if len(p) < headerSize+57+checksumSize+1 || u16(p[headerSize:]) != 4 {
		return errFormat
	}
	const none, crc = 0, 1
	switch p[len(p)-checksumSize-1] {
	case none:
		f.sums = false
	case crc:
		f.sums = true
		if !checksummed(p) {
			return errChecksum
		}
	default:
		return fmt.Errorf("checksum algorithm %d is unknown", p[len(p)-checksumSize-1])
	}
	return nil
}

// place finds where in the file an event stands. Events that the server leaves out make a gap; back it never goes, or Seqs
// would come twice (invariant I10).
func (f *framer) place(e *event) error {
	heartbeat := e.kind == replication.HEARTBEAT_EVENT || e.kind == replication.HEARTBEAT_LOG_EVENT_V2
	switch {
	case heartbeat:
		e.start = f.full(e.end)
		e.stop = e.start
	case e.artificial() || e.kind == replication.FORMAT_DESCRIPTION_EVENT && e.end == 0:
		e.start, e.stop = f.offset, f.offset
	case e.end == 0:
		e.start, e.stop = f.offset, f.offset+uint64(e.size)
		f.offset = e.stop
	default:
		e.stop = f.full(e.end)
		if e.stop < f.offset+uint64(e.size) {
			return errPlace
		}
		e.start = e.stop - uint64(e.size)
		f.offset = e.stop
	}
	return nil
}

// full extends the lower 32 bits of an offset that is not before the last one.
func (f *framer) full(low uint32) uint64 {
	at := f.offset&^0xffff_ffff | uint64(low)
	if at < f.offset && f.offset-at > 1<<31 {
		at += 1 << 32
	}
	return at
}

// heartbeatFile is the log file that a heartbeat speaks of.
func heartbeatFile(e *event) string {
	if e.kind == replication.HEARTBEAT_EVENT {
		return string(e.body)
	}
	const end, file = 0, 1
	c := cursor{p: e.body}
	for kind := c.uint(1); kind != end && !c.short; kind = c.uint(1) {
		if value := c.bytes(c.length()); kind == file {
			return string(value)
		}
	}
	return ""
}
