package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/source"
)

// Recorded is where the logs of real servers are that fuzz tests begin with: one file for each server, named after it.
const Recorded = "testdata/logs"

// logMagic begins a log file.
const logMagic = "\xfebin"

// ReplayLog reads a whole log file as a stream does, without a server. File names are those of the first rotation.
func ReplayLog(flavor Flavor, version int, log []byte, match func(schema.Name) bool) ([]source.Event, error) {
	r := newReplay(flavor, version, match)
	err := r.read(bytes.TrimPrefix(log, []byte(logMagic)))
	return r.all, err
}

// A replay is a stream without a connection.
type replay struct {
	frame framer
	as    *assembler
	all   []source.Event
	// packed says that there was a compressed event: what comes out is more than what went in.
	packed bool
}

func newReplay(flavor Flavor, version int, match func(schema.Name) bool) *replay {
	gtids, err := ParseGTIDSet(flavor, "")
	if err != nil {
		panic(err)
	}
	cfg := Config{Match: match}
	cfg.setDefaults()
	facts := &serverFacts{
		flavor: flavor, version: version, charset: "utf8mb4",
		charsets: map[int]string{8: "latin1", 28: "gbk", 33: "utf8mb3", 35: "ucs2", 45: "utf8mb4", 46: "utf8mb4", 63: "binary", 255: "utf8mb4"},
	}
	r := &replay{frame: framer{file: "binlog.000001", offset: 4}}
	r.as = newAssembler(&cfg, facts, Position{Flavor: flavor, File: "binlog.000001", Offset: 4, GTIDs: gtids})
	r.as.drain = func() error { r.drain(); return nil }
	return r
}

func (r *replay) drain() {
	r.all = append(r.all, r.as.out...)
	r.as.out, r.as.outBytes = nil, 0
}

// read takes the events of a log file without its magic number.
func (r *replay) read(log []byte) error {
	for len(log) > 0 {
		p := log[:eventSize(log)]
		log = log[len(p):]
		e, err := r.frame.next(p)
		if err != nil {
			return err
		}
		r.packed = r.packed || e.kind == replication.TRANSACTION_PAYLOAD_EVENT || e.kind >= replication.MARIADB_QUERY_COMPRESSED_EVENT
		if err := r.as.event(&e); err != nil {
			return err
		}
		if e.kind == replication.ROTATE_EVENT {
			r.frame.file, r.frame.offset = r.as.pos.File, r.as.pos.Offset
		}
		r.drain()
	}
	return nil
}

// eventSize is what the first event of a log says of its size, as far as there are bytes.
func eventSize(log []byte) int {
	if len(log) < headerSize {
		return len(log)
	}
	return int(min(max(headerSize, u32(log[9:])), uint32(len(log))))
}

// mend gives the events of a log the sizes and checksums that belong to them, so that damage is not found by them alone.
func mend(log []byte) []byte {
	log = bytes.Clone(log)
	sums := false
	for rest := log; len(rest) >= headerSize+checksumSize; {
		p := rest[:eventSize(rest)]
		rest = rest[len(p):]
		if len(p) < headerSize+checksumSize {
			break
		}
		putU32(p[9:], uint32(len(p)))
		if p[4] == byte(replication.FORMAT_DESCRIPTION_EVENT) {
			sums = p[len(p)-checksumSize-1] == 1
		}
		if at := len(p) - checksumSize; sums {
			binary.LittleEndian.PutUint32(p[at:], crc32.ChecksumIEEE(p[:at]))
		}
	}
	return log
}

// A recording is a log of a real server.
type recording struct {
	name    string
	flavor  Flavor
	version int
	log     []byte // without the magic number
}

// recordings are the logs in testdata.
func recordings(tb testing.TB) []recording {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(Recorded, "*"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no recorded logs in %s: %v", Recorded, err)
	}
	var all []recording
	for _, path := range paths {
		log, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		r := recording{name: filepath.Base(path), flavor: MySQL, log: bytes.TrimPrefix(log, []byte(logMagic))}
		kind, version, _ := strings.Cut(r.name, "-")
		if kind == "mariadb" {
			r.flavor = MariaDB
		}
		var major, minor, patch int
		if n, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); n < 2 {
			tb.Fatalf("%s: %v", path, err)
		}
		r.version = major*10000 + minor*100 + patch
		all = append(all, r)
	}
	return all
}

func everyTable(schema.Name) bool { return true }
