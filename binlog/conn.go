package binlog

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/source"
)

const (
	// readBuffer is how much is read from the socket at once. Packets up to this size are decoded where they lie.
	readBuffer = 256 << 10
	// maxPacket is the largest payload of a packet: one of exactly this size is continued in the next.
	maxPacket      = 1<<24 - 1
	connectTimeout = 10 * time.Second
)

// A conn is a connection that receives the log.
type conn struct {
	raw     net.Conn
	r       *bufio.Reader
	timeout time.Duration
	taken   int    // bytes of r's buffer that the last packet occupies
	long    []byte // a packet that does not fit there
}

// login opens a connection.
func (c *Config) login(ctx context.Context) (*client.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var raw net.Conn
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		raw = nc
		deadline, _ := ctx.Deadline()
		return nc, nc.SetDeadline(deadline)
	}
	options := func(gc *client.Conn) error {
		if c.TLS != nil {
			gc.SetTLSConfig(c.TLS.Clone())
		}
		gc.SetAttributes(map[string]string{"program_name": "cdcsync"})
		return nil
	}
	password := ""
	if c.Password != nil {
		password = c.Password.Reveal()
	}
	gc, err := client.ConnectWithDialer(ctx, "tcp", c.Addr, c.User, password, "", dial, options)
	if err != nil {
		if raw != nil {
			_ = raw.Close() // the login has failed already
		}
		return nil, fmt.Errorf("connect to %s: %w", c.Addr, err)
	}
	return gc, nil
}

// open connects, learns what it must of the server, checks that it can serve from, and asks for the log.
func (c *Config) open(ctx context.Context, from *Position) (*conn, *serverFacts, error) {
	gc, err := c.login(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = gc.Close() })
	defer stop()
	facts, err := c.prepare(gc, from)
	if err == nil {
		err = c.dump(gc, facts, from)
	}
	if err == nil {
		err = gc.Conn.Conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = gc.Close() // it is of no use any more
		return nil, nil, errors.Join(err, ctx.Err())
	}
	raw := gc.Conn.Conn
	return &conn{raw: raw, r: bufio.NewReaderSize(raw, readBuffer), timeout: c.ReadTimeout}, facts, nil
}

// prepare sets up the session and learns of the server.
func (c *Config) prepare(gc *client.Conn, from *Position) (*serverFacts, error) {
	for _, sql := range []string{
		"SET NAMES utf8mb4",
		// The server sends checksums only to who says that it knows them.
		"SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %[1]d", c.HeartbeatPeriod.Nanoseconds()),
		"SET @mariadb_slave_capability = 4", // GTIDs; a mere variable elsewhere
		// Two readers of one server id would end each other's connection for ever; with a UUID made of it MySQL says so.
		fmt.Sprintf("SET @slave_uuid = '0cdc0000-0000-4000-8000-%012x', @replica_uuid = @slave_uuid", c.ServerID),
	} {
		if _, err := gc.Execute(sql); err != nil {
			return nil, fmt.Errorf("prepare the connection: %w", err)
		}
	}
	facts, err := learn(gc)
	if err != nil {
		return nil, fmt.Errorf("ask the server about itself: %w", err)
	}
	if err := checkServer(gc, facts, from); err != nil {
		return nil, fmt.Errorf("resume at %s: %w", from, err)
	}
	if from.byGTID() {
		if err := facts.learnEnd(gc); err != nil {
			return nil, fmt.Errorf("ask for the end of the log: %w", err)
		}
	}
	return facts, nil
}

// dump registers as a replica and asks for the log from a position on.
func (c *Config) dump(gc *client.Conn, facts *serverFacts, from *Position) error {
	if err := c.register(gc); err != nil {
		return err
	}
	flags := uint16(0)
	if facts.flavor == MariaDB && facts.version >= annotated {
		flags |= sendAnnotate
	}
	if !from.byGTID() {
		return c.dumpFile(gc, flags, from.File, uint32(from.Offset))
	}
	if from.GTIDs == nil {
		return fmt.Errorf("%w: offset %d is past 4 GiB, which only GTIDs can name", source.ErrPositionLost, from.Offset)
	}
	if facts.flavor == MariaDB {
		if _, err := gc.Execute("SET @slave_connect_state = '" + from.GTIDs.String() + "', @slave_gtid_strict_mode = 1"); err != nil {
			return err
		}
		return c.dumpFile(gc, flags, "", 4)
	}
	return c.dumpGTIDs(gc, from.GTIDs)
}

// MariaDB from 11.4 on does not say where the events inside a transaction end, so they have to be counted, all of them: also
// those that carry the statements' texts, which it sends only on demand.
const (
	annotated    = 110400
	sendAnnotate = 2
)

func (c *Config) register(gc *client.Conn) error {
	p := []byte{0, 0, 0, 0, mysql.COM_REGISTER_SLAVE}
	p = binary.LittleEndian.AppendUint32(p, c.ServerID)
	const host = "cdcsync"
	p = append(append(p, byte(len(host))), host...)
	p = append(p, 0, 0)       // user, password: for show only
	p = append(p, 0, 0)       // port
	p = append(p, 0, 0, 0, 0) // rank
	p = append(p, 0, 0, 0, 0) // master id
	gc.ResetSequence()
	if err := gc.WritePacket(p); err != nil {
		return fmt.Errorf("register as a replica: %w", err)
	}
	if _, err := gc.ReadOKPacket(); err != nil {
		return fmt.Errorf("register as a replica: %w", err)
	}
	return nil
}

func (c *Config) dumpFile(gc *client.Conn, flags uint16, file string, offset uint32) error {
	p := []byte{0, 0, 0, 0, mysql.COM_BINLOG_DUMP}
	p = binary.LittleEndian.AppendUint32(p, max(offset, 4)) // the file begins with a magic number
	p = binary.LittleEndian.AppendUint16(p, flags)
	p = binary.LittleEndian.AppendUint32(p, c.ServerID)
	gc.ResetSequence()
	return gc.WritePacket(append(p, file...))
}

func (c *Config) dumpGTIDs(gc *client.Conn, gtids GTIDSet) error {
	set, err := mysql.ParseMysqlGTIDSet(gtids.String())
	if err != nil {
		return err
	}
	data := set.Encode()
	p := []byte{0, 0, 0, 0, mysql.COM_BINLOG_DUMP_GTID}
	p = binary.LittleEndian.AppendUint16(p, 4) // through GTIDs
	p = binary.LittleEndian.AppendUint32(p, c.ServerID)
	p = binary.LittleEndian.AppendUint32(p, 0) // no file
	p = binary.LittleEndian.AppendUint64(p, 4)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(data)))
	gc.ResetSequence()
	return gc.WritePacket(append(p, data...))
}

// next returns the next event's bytes, valid until the next call.
func (c *conn) next() ([]byte, error) {
	p, err := c.packet()
	if err != nil {
		return nil, fmt.Errorf("receive the log: %w", err)
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("receive the log: %w: an empty packet", source.ErrTransient)
	}
	switch p[0] {
	case mysql.OK_HEADER:
		return p[1:], nil
	case mysql.ERR_HEADER:
		return nil, serverError(p)
	case mysql.EOF_HEADER:
		return nil, fmt.Errorf("%w: the server ended the log", source.ErrTransient)
	}
	return nil, fmt.Errorf("receive the log: %w: a packet begins with %#x", source.ErrTransient, p[0])
}

// serverError reads an ERR packet: 0xff, code, '#', SQL state, message.
func serverError(p []byte) error {
	c := cursor{p: p[1:]}
	e := &mysql.MyError{Code: uint16(c.uint(2))}
	if len(c.p) > 6 && c.p[0] == '#' {
		e.State = string(c.p[1:6])
		c.p = c.p[6:]
	}
	e.Message = string(c.p)
	return e
}

// packet returns the payload of the next packet, in r's buffer if it fits there.
func (c *conn) packet() ([]byte, error) {
	if _, err := c.r.Discard(c.taken); err != nil {
		return nil, err
	}
	c.taken = 0
	n, err := c.length()
	if err != nil {
		return nil, err
	}
	if n+4 <= readBuffer {
		p, err := c.peek(n + 4)
		if err != nil {
			return nil, err
		}
		c.taken = n + 4
		return p[4:], nil
	}
	return c.longPacket(n)
}

// length returns the payload length of the packet that comes next, and leaves its header where it is.
func (c *conn) length() (int, error) {
	p, err := c.peek(4)
	if err != nil {
		return 0, err
	}
	return int(u24(p)), nil
}

// longPacket copies a packet, with those that continue it.
func (c *conn) longPacket(n int) ([]byte, error) {
	c.long = c.long[:0]
	if cap(c.long) > 4*maxPacket {
		c.long = nil // one giant event must not pin its memory for ever
	}
	for {
		if _, err := c.r.Discard(4); err != nil {
			return nil, err
		}
		at := len(c.long)
		for len(c.long) < at+n {
			p, err := c.peek(min(at+n-len(c.long), readBuffer))
			if err != nil {
				return nil, err
			}
			c.long = append(c.long, p...)
			if _, err := c.r.Discard(len(p)); err != nil {
				return nil, err
			}
		}
		if n < maxPacket {
			return c.long, nil
		}
		var err error
		if n, err = c.length(); err != nil {
			return nil, err
		}
	}
}

// peek waits for n bytes. Only when it has to wait does it set a deadline, for that costs as much as a small event.
func (c *conn) peek(n int) ([]byte, error) {
	if c.r.Buffered() < n && c.timeout > 0 {
		if err := c.raw.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
			return nil, err
		}
	}
	p, err := c.r.Peek(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return p, err
}

// waits says that the next event is not here yet.
func (c *conn) waits() bool {
	have := c.r.Buffered() - c.taken
	if have < 4 {
		return true
	}
	p, err := c.r.Peek(c.taken + 4)
	return err != nil || have < 4+int(u24(p[c.taken:]))
}

func (c *conn) close() error { return c.raw.Close() }

// A Secret is a value that only Reveal gives away.
type Secret interface{ Reveal() string }
