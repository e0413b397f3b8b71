package mysql

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/source"
)

// Types of log events that a scan looks at, and the flag of those that the server makes up.
const (
	eventRotate      = 4
	eventFormat      = 15
	eventGTID        = 33
	eventAnonymous   = 34
	eventGTIDTagged  = 42
	eventMariaDBGTID = 162

	flagArtificial = 0x20
)

const (
	comBinlogDump = 0x12
	eventHeader   = 19
	dumpNonBlock  = 1 // end at the end of the log
	dumpAnnotate  = 2 // MariaDB: leave no event out, so that they can be counted
)

// A logEvent is what a scan sees of an event.
type logEvent struct {
	file   string
	start  uint64 // where it begins in the file
	length uint64
	kind   byte
	time   int64 // seconds since the epoch
}

// beginsTransaction says that the event is the first of a transaction.
func (e *logEvent) beginsTransaction() bool {
	switch e.kind {
	case eventGTID, eventAnonymous, eventGTIDTagged, eventMariaDBGTID:
		return true
	}
	return false
}

// scanLog reads the headers of log events from a place to the end of the log, until visit returns false. It takes a
// connection of its own, since a dump ends only with it.
func (s *Source) scanLog(ctx context.Context, file string, offset uint64, visit func(logEvent) bool) error {
	c, err := s.reach(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	id, err := s.cfg.ServerID.pick()
	if err != nil {
		return err
	}
	// Checksums are announced as understood: they stand behind what a scan looks at.
	for _, sql := range []string{"SET @master_binlog_checksum = @@GLOBAL.binlog_checksum", "SET @source_binlog_checksum = @@GLOBAL.binlog_checksum", "SET @mariadb_slave_capability = 4"} {
		if err := c.exec(ctx, sql); err != nil {
			return err
		}
	}
	flags := uint16(dumpNonBlock)
	if s.server.mariadb() {
		flags |= dumpAnnotate
	}
	return c.guard(ctx, func() error {
		c.begin(comBinlogDump)
		c.out = binary.LittleEndian.AppendUint32(c.out, uint32(offset))
		c.out = binary.LittleEndian.AppendUint16(c.out, flags)
		c.out = binary.LittleEndian.AppendUint32(c.out, id)
		c.out = append(c.out, file...)
		if err := c.send(); err != nil {
			return err
		}
		err := c.scanEvents(logEvent{file: file, start: offset}, visit)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

// scanEvents follows the events of a dump. Each says where it ends; where it does not (MariaDB from 11.4 on, inside of
// transactions) places are counted.
func (c *conn) scanEvents(at logEvent, visit func(logEvent) bool) error {
	for next := at.start; ; {
		p, err := c.next()
		switch {
		case err != nil:
			return err
		case len(p) > 0 && p[0] == headerErr:
			return parseError(p)
		case isEOF(p):
			return nil
		case len(p) < 1+eventHeader:
			return errMalformed
		}
		p = p[1:]
		at.time, at.kind = int64(binary.LittleEndian.Uint32(p)), p[4]
		at.length = uint64(binary.LittleEndian.Uint32(p[9:]))
		artificial := binary.LittleEndian.Uint16(p[17:])&flagArtificial != 0 || binary.LittleEndian.Uint32(p[13:]) == 0 && at.kind == eventRotate
		if artificial {
			if at.kind == eventRotate && len(p) > eventHeader+8 {
				at.file, next = rotateTarget(at.file, p[eventHeader+8:]), binary.LittleEndian.Uint64(p[eventHeader:])
			}
			continue
		}
		if end := uint64(binary.LittleEndian.Uint32(p[13:])); end >= at.length {
			next = next&^math.MaxUint32 | end - at.length
		}
		at.start, next = next, next+at.length
		if !visit(at) {
			return io.EOF
		}
	}
}

// rotateTarget returns the file that a rotate event names: this one, or the next. What stands behind the name may be a
// checksum, of any bytes, so that the name is compared rather than read.
func rotateTarget(file string, named []byte) string {
	i := strings.LastIndexByte(file, '.') + 1
	number, err := strconv.ParseUint(file[i:], 10, 64)
	if err != nil || bytes.HasPrefix(named, []byte(file)) {
		return file
	}
	return file[:i] + fmt.Sprintf("%0*d", len(file)-i, number+1)
}

// A logFile is a file of the server's log.
type logFile struct {
	name string
	size uint64
}

// logFiles lists the files that the server still has, oldest first.
func (s *Source) logFiles(ctx context.Context, c *conn) ([]logFile, error) {
	rows, err := c.query(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, fmt.Errorf("list the log files: %w", err)
	}
	files := make([]logFile, len(rows))
	for i, r := range rows {
		files[i].name = r[0]
		if _, err := fmt.Sscan(r[1], &files[i].size); err != nil {
			return nil, fmt.Errorf("size %q of log file %s: %w", r[1], r[0], err)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: the server has no log file", source.ErrPositionLost)
	}
	return files, nil
}
