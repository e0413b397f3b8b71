package binlog

import (
	"bytes"
	"fmt"

	"github.com/cdcsync/cdcsync/binlog/charset"
	"github.com/cdcsync/cdcsync/binlog/ddl"
)

// A query is what a QUERY event says: a statement and how the server read it.
type query struct {
	database string
	text     []byte // in the client's character set; points into the event
	mode     uint64 // sql_mode, as bits
	client   int    // the collation id of text, 0 unknown
	server   int    // the collation id that new databases have, 0 unknown
	implicit bool   // explicit_defaults_for_timestamp was off
}

// Status variables of a QUERY event, with what they hold.
const (
	statusFlags2            = 0  // 4 bytes
	statusMode              = 1  // 8
	statusCatalog           = 2  // length, text, zero
	statusAutoIncrement     = 3  // 4
	statusCharset           = 4  // client, connection, server: 2 each
	statusTimeZone          = 5  // length, text
	statusCatalogNoZero     = 6  // length, text
	statusLocale            = 7  // 2
	statusDatabaseCharset   = 8  // 2
	statusTableMap          = 9  // 8
	statusMasterWritten     = 10 // 4
	statusInvoker           = 11 // length, text, twice
	statusUpdatedDatabases  = 12 // count, texts that end with zero
	statusMicroseconds      = 13 // 3
	statusExplicitDefaults  = 16 // 1
	modeANSIQuotes          = 4
	modeNoBackslashEscapes  = 0x100000
	modeStrict              = 0x200000 | 0x400000 // STRICT_TRANS_TABLES, STRICT_ALL_TABLES
	tooManyUpdatedDatabases = 254
)

// parseQuery reads the body of a QUERY event.
func parseQuery(body []byte) (query, error) {
	var q query
	c := cursor{p: body}
	c.bytes(8) // thread, seconds
	n := int(c.uint(1))
	c.bytes(2) // error code
	status := cursor{p: c.bytes(int(c.uint(2)))}
	q.database = string(c.bytes(n))
	c.bytes(1)
	q.text = c.p
	if err := c.err(); err != nil {
		return q, err
	}
	for len(status.p) > 0 && !status.short && q.status(&status) {
	}
	return q, nil
}

// loadQuery takes a LOAD DATA that is logged as a statement: a QUERY event with 13 bytes about the file behind its fixed
// part.
func (a *assembler) loadQuery(e *event) error {
	const fixed, file = 13, 13
	if len(e.body) < fixed+file {
		return a.fatal(e, errShort.Error())
	}
	plain := *e
	plain.body = append(bytes.Clone(e.body[:fixed]), e.body[fixed+file:]...)
	return a.query(&plain)
}

// queryText returns only the statement, for the short ones that come with each transaction.
func queryText(body []byte) []byte {
	if len(body) < 13 {
		return nil
	}
	return body[min(len(body), 13+int(u16(body[11:]))+int(body[8])+1):]
}

// status reads one status variable, and is false for one whose length is unknown: what follows cannot be read.
func (q *query) status(c *cursor) bool {
	switch kind := c.uint(1); kind {
	case statusMode:
		q.mode = c.uint(8)
	case statusCharset:
		q.client = int(c.uint(2))
		c.bytes(2)
		q.server = int(c.uint(2))
	case statusExplicitDefaults:
		q.implicit = c.uint(1) == 0
	case statusFlags2, statusAutoIncrement, statusMasterWritten:
		c.bytes(4)
	case statusTableMap:
		c.bytes(8)
	case statusLocale, statusDatabaseCharset:
		c.bytes(2)
	case statusMicroseconds:
		c.bytes(3)
	case statusCatalog:
		c.bytes(int(c.uint(1)) + 1)
	case statusTimeZone, statusCatalogNoZero:
		c.bytes(int(c.uint(1)))
	case statusInvoker:
		c.bytes(int(c.uint(1)))
		c.bytes(int(c.uint(1)))
	case statusUpdatedDatabases:
		n := c.uint(1)
		for ; n > 0 && n != tooManyUpdatedDatabases && !c.short; n-- {
			c.bytes(bytes.IndexByte(c.p, 0) + 1)
		}
	default:
		return false
	}
	return true
}

// statement returns the statement in UTF-8. charsets names the character set of a collation id.
func (q *query) statement(charsets map[int]string) (string, error) {
	set := charsets[q.client]
	if set == "" || set == "utf8mb4" || set == "utf8mb3" || set == "utf8" || set == "binary" {
		return string(q.text), nil
	}
	convert, ok := charset.For(set)
	if !ok {
		return "", fmt.Errorf("the statement is in character set %s, which is not known", set)
	}
	text, err := convert(nil, q.text)
	return string(text), err
}

// parserMode says how the server read the statement.
func (q *query) parserMode(s *serverFacts) ddl.Mode {
	return ddl.Mode{
		Database: q.database, MariaDB: s.flavor == MariaDB, Version: s.version, LowerNames: s.lowerNames,
		ANSIQuotes: q.mode&modeANSIQuotes != 0, NoBackslashEscapes: q.mode&modeNoBackslashEscapes != 0,
		ImplicitTimestamps: q.implicit,
	}
}

// serverFacts are what reading the log needs to know of the server.
type serverFacts struct {
	flavor     Flavor
	id         string // as positions name the server
	version    int    // 80036
	lowerNames bool
	charsets   map[int]string    // by collation id
	databases  map[string]string // the default character set of each database, at the time of connecting; then as the log says
	charset    string            // of new databases
	named      bool              // MySQL: gtid_mode is ON, so that GTIDs name all transactions
	end        Position          // the log's end when the connection was made, if GTIDs say where to begin; no file: not known
}
