package binlog

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/source"
)

// offsetBits is how many bits of a Seq are the offset: 1 TiB in one log file, and 16 million files. Files are cut at
// 1 GiB, and only a single transaction can make one longer.
const offsetBits = 40

// fileBits are the others.
const fileBits = 64 - offsetBits

// A Position is a point between two transactions of a server's log. It is written as
//
//	flavor/server/file:offset/gtids      mysql/4d2a...-0001/binlog.000007:1234/4d2a...-0001:1-99
//
// Server and file:offset may be empty. Without GTIDs the last slash is missing too; with it, no GTID is executed yet. There
// is a file or GTIDs, or both. A shift follows the server behind a semicolon, a ragged offset ends with a tilde. Prepared
// XA transactions follow behind a #. The zero Position is none.
type Position struct {
	Flavor Flavor
	Server string // MySQL: server_uuid; MariaDB: server_id. Offsets mean something on this server only
	// Shift is added to the numbers of this server's log files: what is read after a failover is behind all that was read
	// before it (invariant I10). 0 on the server that a pipeline begins with.
	Shift  uint64
	File   string // the log file; empty: GTIDs alone say where
	Offset uint64 // in bytes
	// Ragged says that some of the GTIDs are behind File and Offset: read by them, those transactions would come again.
	Ragged bool
	GTIDs  GTIDSet // nil: the log has none, or they are not known
	// Prepared are the XA transactions whose changes are before the position, and whose outcome is not. Their changes are
	// read again from where they are.
	Prepared []Prepared
	// Migrations are the online schema changes that are under way.
	Migrations []Migration
}

// A Prepared is an XA transaction that waits for its outcome.
type Prepared struct {
	XID    string // as statements spell it: x'67',x'62',1
	File   string // the log file and offset where its changes begin; empty: they are of no interest
	Offset uint64
}

var errPosition = errors.New("want flavor/server/file:offset or flavor/server/file:offset/gtids")

// ParsePosition reads a position that String wrote.
func ParsePosition(text source.Position) (Position, error) {
	p, err := parsePosition(string(text))
	if err != nil {
		return Position{}, fmt.Errorf("parse log position %q: %w", text, err)
	}
	return p, nil
}

func parsePosition(text string) (p Position, err error) {
	text, prepared, _ := strings.Cut(text, "#")
	prepared, migrations, _ := strings.Cut(prepared, "#")
	if p.Migrations, err = parseMigrations(migrations); err != nil {
		return p, err
	}
	if err := p.parsePrepared(prepared); err != nil {
		return p, err
	}
	parts := strings.Split(text, "/")
	if len(parts) < 3 || len(parts) > 4 {
		return p, errPosition
	}
	switch parts[0] {
	case "mysql":
		p.Flavor = MySQL
	case "mariadb":
		p.Flavor = MariaDB
	default:
		return p, fmt.Errorf("%w: unknown flavor %q", errPosition, parts[0])
	}
	if err := p.parseServer(parts[1]); err != nil {
		return p, err
	}
	if parts[2] == "" && len(parts) == 3 {
		return p, fmt.Errorf("%w: it has neither a file nor GTIDs", errPosition)
	}
	if parts[2] != "" {
		if err := p.parseFile(parts[2]); err != nil {
			return p, err
		}
	}
	if len(parts) == 4 {
		p.GTIDs, err = ParseGTIDSet(p.Flavor, parts[3])
	}
	return p, err
}

func (p *Position) parseServer(text string) (err error) {
	server, shift, shifted := strings.Cut(text, ";")
	if shifted {
		if p.Shift, err = strconv.ParseUint(shift, 10, fileBits); err != nil || p.Shift == 0 {
			return fmt.Errorf("%q is not a shift of file numbers", shift)
		}
	}
	p.Server, err = url.PathUnescape(server)
	return err
}

// parsePrepared reads name@file:offset&name@file:offset. Without a place behind it, a name is of no interest.
func (p *Position) parsePrepared(text string) error {
	for entry := range strings.SplitSeq(text, "&") {
		name, place, placed := strings.Cut(entry, "@")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return err
		}
		var at Position
		if placed {
			if err := at.parseFile(place); err != nil {
				return err
			}
		}
		if name != "" {
			p.Prepared = append(p.Prepared, Prepared{XID: name, File: at.File, Offset: at.Offset})
		}
	}
	return nil
}

func (p *Position) parseFile(text string) (err error) {
	i := strings.LastIndexByte(text, ':')
	if i <= 0 {
		return errPosition
	}
	if p.File, err = url.PathUnescape(text[:i]); err != nil {
		return err
	}
	offset := text[i+1:]
	offset, p.Ragged = strings.CutSuffix(offset, "~")
	if p.Offset, err = strconv.ParseUint(offset, 10, offsetBits); err != nil {
		return fmt.Errorf("%q is not an offset", text[i+1:])
	}
	_, err = FileNumber(p.File)
	return err
}

// String writes the position; ParsePosition reads it.
func (p Position) String() string { return string(p.Text()) }

// Text is the position as the rest of cdcsync keeps it.
func (p Position) Text() source.Position { return source.Position(p.appendText(nil)) }

func (p Position) appendText(dst []byte) []byte {
	dst = append(append(dst, p.Flavor.String()...), '/')
	dst = append(dst, url.PathEscape(p.Server)...)
	if p.Shift != 0 {
		dst = strconv.AppendUint(append(dst, ';'), p.Shift, 10)
	}
	dst = append(dst, '/')
	if p.File != "" {
		dst = append(append(dst, url.PathEscape(p.File)...), ':')
		dst = strconv.AppendUint(dst, p.Offset, 10)
		if p.Ragged {
			dst = append(dst, '~')
		}
	}
	if p.GTIDs != nil {
		dst = p.GTIDs.AppendText(append(dst, '/'))
	}
	for i, x := range p.Prepared {
		dst = append(dst, "#&"[min(i, 1)])
		dst = append(dst, url.QueryEscape(x.XID)...)
		if x.File != "" {
			dst = append(append(append(dst, '@'), url.PathEscape(x.File)...), ':')
			dst = strconv.AppendUint(dst, x.Offset, 10)
		}
	}
	if len(p.Migrations) > 0 {
		dst = append(dst, "##"[min(len(p.Prepared), 1):]...)
		dst = appendMigrations(dst, p.Migrations)
	}
	return dst
}

// Seq is the position in the order of all that a pipeline reads (invariant I10). Without a file it is below all that is
// read from the position on.
func (p Position) Seq() uint64 {
	n, err := FileNumber(p.File)
	if err != nil {
		return p.Shift << offsetBits
	}
	return (p.Shift+n)<<offsetBits | p.Offset
}

// MaxShift is the largest sum of a shift and a file's number that a Seq has room for.
const MaxShift = 1<<fileBits - 1

// Behind returns a shift with which all that is read of another server is behind the positions: file numbers begin with 1.
func Behind(ps ...Position) uint64 {
	shift := uint64(0)
	for _, p := range ps {
		shift = max(shift, p.Seq()>>offsetBits+1)
	}
	return shift
}

// even says that all that was read is before one place in the files.
func (p *Position) even() bool { return p.File != "" && !p.Ragged }

// byGTID says that only GTIDs can name the position to the server: its protocol has 32 bits for an offset.
func (p *Position) byGTID() bool {
	return !p.even() && p.GTIDs != nil || p.File == "" || p.Offset >= 1<<32
}

// FileNumber is the number that a log file's name ends with. Names are compared by it: "binlog.1000000" comes after
// "binlog.999999".
func FileNumber(file string) (uint64, error) {
	i := strings.LastIndexByte(file, '.')
	n, err := strconv.ParseUint(file[i+1:], 10, fileBits)
	if i < 0 || err != nil {
		return 0, fmt.Errorf("log file %q does not end with a number", file)
	}
	return n, nil
}
