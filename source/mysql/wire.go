package mysql

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxPacket is the length that says "more follows": a longer message comes in several packets.
const maxPacket = 1<<24 - 1

// readBuffer holds rows while they are decoded in place: 256 KiB is about what a kernel's socket buffer gives at once.
const readBuffer = 256 << 10

// Commands and the first bytes of answers.
const (
	comQuit        = 0x01
	comQuery       = 0x03
	comPing        = 0x0e
	comStmtPrepare = 0x16
	comStmtExecute = 0x17
	comStmtClose   = 0x19

	headerOK  = 0x00
	headerEOF = 0xfe
	headerErr = 0xff
)

// A wire reads and writes packets:
//
//	3 bytes length, little-endian | 1 byte sequence number | payload
//
// A message is handed out where it lies in the read buffer when it fits, and is collected in big when it does not.
type wire struct {
	nc      net.Conn
	r       *bufio.Reader
	pending int // bytes of the last message that are still to be discarded from r
	seq     byte
	big     []byte
	out     []byte
}

func newWire(nc net.Conn) wire { return wire{nc: nc, r: bufio.NewReaderSize(nc, readBuffer)} }

var errMalformed = errors.New("malformed packet")

// next returns the next message. It is valid until the next call.
func (w *wire) next() ([]byte, error) {
	if w.pending > 0 {
		if _, err := w.r.Discard(w.pending); err != nil {
			return nil, cut(err)
		}
		w.pending = 0
	}
	header, err := w.r.Peek(4)
	if err != nil {
		return nil, cut(err)
	}
	n := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if header[3] != w.seq {
		return nil, fmt.Errorf("%w: sequence number %d, expected %d", errMalformed, header[3], w.seq)
	}
	if n == maxPacket || n+4 > readBuffer {
		return w.collect()
	}
	packet, err := w.r.Peek(4 + n)
	if err != nil {
		return nil, cut(err)
	}
	w.seq++
	w.pending = 4 + n
	return packet[4:], nil
}

// collect copies a message that is longer than the buffer, or comes in several packets.
func (w *wire) collect() ([]byte, error) {
	if cap(w.big) > 4*maxPacket {
		w.big = nil
	}
	w.big = w.big[:0]
	for {
		header, err := w.r.Peek(4)
		if err != nil {
			return nil, cut(err)
		}
		n := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
		if header[3] != w.seq {
			return nil, fmt.Errorf("%w: sequence number %d, expected %d", errMalformed, header[3], w.seq)
		}
		w.seq++
		if _, err := w.r.Discard(4); err != nil {
			return nil, cut(err)
		}
		at := len(w.big)
		w.big = append(w.big, make([]byte, n)...)
		if _, err := io.ReadFull(w.r, w.big[at:]); err != nil {
			return nil, cut(err)
		}
		if n < maxPacket {
			return w.big, nil
		}
	}
}

// cut makes an end of the connection an error: within a message it is one always.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin starts a command; its arguments are appended to out.
func (w *wire) begin(command byte) {
	w.out = append(w.out[:0], 0, 0, 0, 0, command)
}

// send sends the command in out. Commands of 16 MiB or more are not needed: keys are at most 3072 bytes.
func (w *wire) send() error {
	n := len(w.out) - 4
	if n >= maxPacket {
		return fmt.Errorf("statement of %d bytes is too long", n)
	}
	w.out[0], w.out[1], w.out[2], w.out[3] = byte(n), byte(n>>8), byte(n>>16), 0
	w.seq = 1
	_, err := w.nc.Write(w.out)
	return err
}

// A sqlError is an error message of the server.
type sqlError struct {
	code    uint16
	state   string
	message string
}

// Error spells the error as the server's own client does.
func (e *sqlError) Error() string {
	return fmt.Sprintf("ERROR %d (%s): %s", e.code, e.state, e.message)
}

// parseError reads the payload of an ERR packet.
func parseError(p []byte) error {
	if len(p) < 3 {
		return errMalformed
	}
	e := &sqlError{code: binary.LittleEndian.Uint16(p[1:]), state: "HY000"}
	p = p[3:]
	if len(p) >= 6 && p[0] == '#' {
		e.state, p = string(p[1:6]), p[6:]
	}
	e.message = string(p)
	return e
}

// isEOF says that a packet ends a list of columns or rows.
func isEOF(p []byte) bool { return len(p) > 0 && len(p) < 9 && p[0] == headerEOF }

// lenenc reads a length-encoded integer and returns it with its own size; size 0: p is too short, or it is NULL.
func lenenc(p []byte) (v uint64, size int) {
	if len(p) == 0 {
		return 0, 0
	}
	switch b := p[0]; {
	case b < 0xfb:
		return uint64(b), 1
	case b == 0xfc && len(p) >= 3:
		return uint64(p[1]) | uint64(p[2])<<8, 3
	case b == 0xfd && len(p) >= 4:
		return uint64(p[1]) | uint64(p[2])<<8 | uint64(p[3])<<16, 4
	case b == 0xfe && len(p) >= 9:
		return binary.LittleEndian.Uint64(p[1:]), 9
	}
	return 0, 0
}

// bytesAt reads a length-encoded string at p[at:] and returns where it ends; end -1: malformed.
func bytesAt(p []byte, at int) (value []byte, end int) {
	if at >= len(p) {
		return nil, -1
	}
	n, size := lenenc(p[at:])
	from := at + size
	if size == 0 || n > uint64(len(p)-from) {
		return nil, -1
	}
	end = from + int(n)
	return p[from:end], end
}

func appendLenenc(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, 0xfc, byte(v), byte(v>>8))
	case v < 1<<24:
		return append(dst, 0xfd, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xfe), v)
}
