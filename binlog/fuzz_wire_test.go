package binlog

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// recorded is a connection that gives its bytes a few at a time.
type recorded struct {
	net.Conn
	data []byte
	step int
}

func (r *recorded) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.data)
	r.data = r.data[n:]
	return n, nil
}

// appendPackets appends a message as packets.
func appendPackets(dst, message []byte) []byte {
	for {
		n := min(len(message), maxPacket)
		dst = append(append(dst, byte(n), byte(n>>8), byte(n>>16), 0), message[:n]...)
		if message = message[n:]; n < maxPacket {
			return dst
		}
	}
}

// FuzzPackets cuts any bytes into packets, and compares with a cutter that sees all of them at once.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00\x00\x01\x02\x03\x04\x00\x00\x00\x01\xff\x03\x00\x00\x02\xff\x51\x04"), uint32(0), uint16(7))
	f.Add([]byte("\x05\x00\x00\x00\x00\x01\x02"), uint32(readBuffer-4), uint16(65535))
	f.Add([]byte("\x01\x00\x00\x09\xfe"), uint32(readBuffer-3), uint16(4096))
	f.Add([]byte("\x09\x00\x00\x01\xff\x15\x04#28000no"), uint32(3*readBuffer), uint16(1))
	f.Fuzz(func(t *testing.T, raw []byte, long uint32, step uint16) {
		data := append(appendPackets(nil, bytes.Repeat([]byte{7}, int(long%(4*readBuffer)))), raw...)
		r := &recorded{data: data, step: int(step) + 1}
		c := &conn{raw: r, r: bufio.NewReaderSize(r, readBuffer)}
		for {
			want, rest, whole := cutPacket(data)
			got, err := c.packet()
			if !whole {
				if err == nil {
					t.Fatalf("got %d bytes of a packet that is cut", len(got))
				}
				return
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(want))
			}
			data = rest
			if len(want) > 0 && want[0] == 0xff && serverError(want) == nil {
				t.Fatal("an error packet is none")
			}
		}
	})
}

// cutPacket takes one message off the bytes of a connection.
func cutPacket(p []byte) (message, rest []byte, whole bool) {
	for {
		if len(p) < 4 || len(p)-4 < int(u24(p)) {
			return nil, nil, false
		}
		n := int(u24(p))
		message, p = append(message, p[4:4+n]...), p[4+n:]
		if n < maxPacket {
			return message, p, true
		}
	}
}

// FuzzXID holds that the name of an XA transaction is the same in the event that prepares it, in the statement that ends
// it, and in a position; and that a damaged name is an error.
func FuzzXID(f *testing.F) {
	f.Add(uint32(1), []byte("x1"), []byte(""), []byte("\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00x1"))
	f.Add(uint32(7), []byte("x2"), []byte("&@#/%"), []byte("\x00\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, format uint32, global, branch, raw []byte) {
		body := binary.LittleEndian.AppendUint32([]byte{0}, format)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(global)))
		body = binary.LittleEndian.AppendUint32(body, uint32(len(branch)))
		body = append(append(body, global...), branch...)
		name, err := preparedXID(body)
		if want := SpellXID(int(format), global, branch); err != nil || name != want || spelledXID(" "+strings.ToUpper(want)+" ") != want {
			t.Fatalf("got %s, %v, want %s", name, err, want)
		}
		if cut, err := preparedXID(body[:len(body)-1]); err == nil {
			t.Errorf("cut short: got %s", cut)
		}
		p := Position{Flavor: MariaDB, File: "binlog.000001", Offset: 4, Prepared: []Prepared{{XID: name, File: "binlog.000001", Offset: 9}, {XID: name + "x"}}}
		if back, err := ParsePosition(p.Text()); err != nil || back.Text() != p.Text() || len(back.Prepared) != 2 || back.Prepared[0] != p.Prepared[0] {
			t.Errorf("position %s is read as %v, %v", p, back, err)
		}
		_, _ = preparedXID(raw)
	})
}

// FuzzInflate holds that what MariaDB compresses comes back as it was, that any damage is an error or changes nothing, and
// that nothing takes more memory than it has bytes.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("rows rows rows"), uint16(3), byte(0x10), []byte("\x81\x0e\x78\x9c"))
	f.Add([]byte{}, uint16(0), byte(1), []byte("\x84\x40\x00\x00\x00\x78\x9c\x63\x00"))
	f.Fuzz(func(t *testing.T, plain []byte, at uint16, flip byte, raw []byte) {
		data := append(binary.BigEndian.AppendUint32([]byte{0x84}, uint32(len(plain))), deflate(plain)...)
		var p packed
		got, err := p.inflate(data)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %q, %v, want %q", got, err, plain)
		}
		data[int(at)%len(data)] ^= flip
		if got, err := p.inflate(data); err == nil && !bytes.Equal(got, plain) {
			t.Errorf("byte %d damaged by %#x: got %q, want %q", int(at)%len(data), flip, got, plain)
		}
		_, _ = p.inflate(raw)
		if cap(p.inflater.buf) > 2<<20+2000*(len(raw)+len(plain)) {
			t.Errorf("%d bytes took %d", len(raw)+len(plain), cap(p.inflater.buf))
		}
	})
}

func deflate(plain []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write(plain)
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestPacked_Bombs has compressed events that say more than they hold, or hold more than they say: they are refused, and
// take no memory for it.
func TestPacked_Bombs(t *testing.T) {
	zeros := deflate(make([]byte, 64<<20))
	maria := func(size uint32) event {
		body := binary.BigEndian.AppendUint32(append(make([]byte, 14), 0x84), size)
		return event{header: header{kind: replication.MARIADB_QUERY_COMPRESSED_EVENT}, body: append(body, zeros...)}
	}
	inner := func(size uint32) event {
		head := append(make([]byte, 9), binary.LittleEndian.AppendUint32(nil, size)...)
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		zip := w.EncodeAll(append(head, make([]byte, 6+100)...), nil)
		return event{header: header{kind: replication.TRANSACTION_PAYLOAD_EVENT}, body: append([]byte{2, 1, 0, 0}, zip...)}
	}
	for name, e := range map[string]event{
		"query says too much": maria(maxUnpacked + 1), "query says too little": maria(1000), "query says nothing": maria(0),
		"payload says too much": inner(maxUnpacked + 1), "payload says more than it has": inner(maxUnpacked), "payload says less than a header": inner(headerSize - 1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := feed(t, newTestAssembler(), e)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: got %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 24<<20 {
			t.Errorf("%s: took %d MiB", name, took>>20)
		}
	}
}
