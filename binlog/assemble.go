package binlog

import (
	"bytes"
	"fmt"
	"log/slog"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/source"
)

const (
	// batchBytes is when a batch of a long transaction is closed and a new one begun.
	batchBytes = 1 << 20
	// aheadBytes is when a transaction is delivered before its end is read: what memory it may take.
	aheadBytes = 8 << 20
	// maxTableIDs bounds what is remembered of the ids that tables have in the log; servers give new ones for ever.
	maxTableIDs = 4096
)

// An assembler makes source events of log events. It does no I/O: events go in, finished events gather in out.
type assembler struct {
	facts      *serverFacts
	match      func(schema.Name) bool
	references bool         // foreign keys are to be told of
	drain      func() error // hands out over: the events inside a compressed one may be many

	tables map[schema.Name]*table
	ids    map[uint64]*mapped
	epoch  int // counts changes of what tables there are: what was skipped may have to be looked at again

	pos  Position // the last boundary between transactions
	txn  txn
	text []byte // for writing positions

	packed packed
	held   held

	migrations migrations // nil: online schema changes are not followed
	log        *slog.Logger

	out      []source.Event
	outBytes int
	moved    bool   // pos is past what out and the events before it say
	beat     int64  // when the server last said that it had nothing newer, microseconds; 0: rows came since
	unplaced bool   // the server was told GTIDs only, and has not yet said where in its log that is
	even     uint64 // Seq from which on no transaction is behind the position that is among its GTIDs

	self  [16]byte // the server's UUID
	mixed []*table // changed by this server's own transactions while the position is ragged
	left  uint64   // Seq of the position when the server was last asked by GTIDs
}

// A table is one captured table.
type table struct {
	shape   *schema.Table
	stopped bool
	batch   *row.Batch // takes the rows of the current transaction; also among its items
	filled  int        // bytes of the log that the batch has taken
}

// mapped is what a table id stands for. Ids are mapped again for each statement, nearly always to the same.
type mapped struct {
	body    []byte // of the TABLE_MAP event
	epoch   int
	table   *table // nil: not captured
	plan    *plan
	ghost   *migration // whose rows are looked at, while that is needed
	watched bool       // a migration wants to know whether it is written to
}

// A phase is how far the assembler is in a transaction.
type phase uint8

const (
	idle  phase = iota
	named       // its GTID is read: one statement follows, or BEGIN
	begun       // its end will be said
)

// A txn is the transaction being read. Its items are delivered when its end is read, or when it grows too large.
type txn struct {
	phase  phase
	origin schema.Origin
	late   bool   // it may be visible later than the log's committed position says
	orders uint32 // changes of captured tables so far
	time   int64
	items  []source.Event
	bytes  int
	ahead  bool     // some of its items are delivered
	schema bool     // it changed shapes
	xa     bool     // it may end without its outcome
	open   []*table // those that have a batch
	saves  []savepoint
}

// id names the transaction.
func (t *txn) id() source.TxnID {
	o := &t.origin
	id := source.TxnID{Seq: o.Seq, Server: o.Server, Tag: o.Tag, Domain: o.Domain, Number: o.Number}
	if t.late {
		id.Tag = lateTag
	}
	return id
}

// gtid is the transaction's GTID; without a number it has none.
func (t *txn) gtid() GTID {
	o := &t.origin
	g := GTID{Server: o.Server, Tag: o.Tag, Domain: o.Domain, Number: o.Number}
	if o.Server == [16]byte{} {
		g.ServerID = o.ServerID
	}
	return g
}

// event takes one event of the log.
func (a *assembler) event(e *event) error {
	switch e.kind {
	case replication.TABLE_MAP_EVENT:
		return a.tableMap(e)
	case replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2:
		return a.rows(e, writeRows)
	case replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2:
		return a.rows(e, updateRows)
	case replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2:
		return a.rows(e, deleteRows)
	case replication.QUERY_EVENT:
		return a.query(e)
	case replication.XID_EVENT:
		return a.commit(e.stop)
	case replication.GTID_EVENT, replication.ANONYMOUS_GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT:
		return a.mysqlGTID(e)
	case replication.MARIADB_GTID_EVENT:
		return a.mariadbGTID(e)
	case replication.XA_PREPARE_LOG_EVENT:
		return a.prepared(e)
	default:
		return a.rare(e)
	}
}

// rare takes the events that do not come with each transaction.
func (a *assembler) rare(e *event) error {
	switch e.kind {
	case replication.ROTATE_EVENT:
		return a.rotate(e)
	case replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
		a.heartbeat(e)
	case replication.FORMAT_DESCRIPTION_EVENT:
		clear(a.ids)
		return a.interrupted()
	case replication.PREVIOUS_GTIDS_EVENT, replication.MARIADB_GTID_LIST_EVENT:
		return a.previousGTIDs(e)
	case replication.MARIADB_BINLOG_CHECKPOINT_EVENT, replication.STOP_EVENT:
		a.progress(e.stop)
	case replication.ROWS_QUERY_EVENT, replication.MARIADB_ANNOTATE_ROWS_EVENT, replication.INTVAR_EVENT,
		replication.RAND_EVENT, replication.USER_VAR_EVENT, replication.IGNORABLE_EVENT,
		replication.TRANSACTION_CONTEXT_EVENT, replication.VIEW_CHANGE_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT,
		replication.BEGIN_LOAD_QUERY_EVENT, replication.APPEND_BLOCK_EVENT, replication.DELETE_FILE_EVENT:
		// They prepare statements, describe the file, or speak to group members: rows never.
	case replication.EXECUTE_LOAD_QUERY_EVENT:
		return a.loadQuery(e)
	case replication.INCIDENT_EVENT:
		return a.fatal(e, "the server says that its log has lost changes (INCIDENT): only a resync of all tables helps")
	case replication.TRANSACTION_PAYLOAD_EVENT:
		return a.payload(e)
	case replication.PARTIAL_UPDATE_ROWS_EVENT:
		return a.rows(e, partialRows)
	case replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1, replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1,
		replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1, replication.MARIADB_QUERY_COMPRESSED_EVENT:
		return a.compressed(e)
	default:
		return a.unknown(e)
	}
	return nil
}

// unknown takes an event of a kind that is not known. The server says of those that a replica may leave out.
func (a *assembler) unknown(e *event) error {
	if e.flags&replication.LOG_EVENT_IGNORABLE_F != 0 {
		return nil
	}
	return a.fatal(e, fmt.Sprintf("events of type %d (%s) are not known: they might change rows", e.kind, e.kind))
}

// fatal makes an error that no repetition mends.
func (a *assembler) fatal(e *event, why string) error {
	return fmt.Errorf("read log at %s:%d: %s", a.pos.File, e.start, why)
}

// seq is where an offset of the current file is in the order of the log.
func (a *assembler) seq(offset uint64) uint64 {
	return Position{Shift: a.pos.Shift, File: a.pos.File, Offset: offset}.Seq()
}

// tableMap learns which table a table id stands for.
func (a *assembler) tableMap(e *event) error {
	if len(e.body) < 8 {
		return a.fatal(e, errShort.Error())
	}
	id := u48(e.body)
	m := a.ids[id]
	if m != nil && m.epoch == a.epoch && bytes.Equal(m.body, e.body) && (m.table == nil || m.plan != nil && m.plan.table == m.table.shape) {
		return nil
	}
	if len(a.ids) >= maxTableIDs {
		clear(a.ids)
	}
	_, namespace, name, _, err := tableMapName(e.body)
	if err != nil {
		return a.fatal(e, err.Error())
	}
	named := schema.Name{Namespace: string(namespace), Table: string(name)}
	m = &mapped{body: bytes.Clone(e.body), epoch: a.epoch}
	a.ids[id] = m
	if len(a.migrations) > 0 {
		a.observe(named, m)
	}
	t := a.tables[named]
	if t == nil || t.stopped {
		return nil
	}
	m.table = t
	m.plan, err = a.planOf(t, m.body)
	if err != nil {
		a.stop(t, e.start, fmt.Errorf("the log's description of the rows does not fit the known shape: %w; resync the table", err))
	}
	return nil
}

func (a *assembler) planOf(t *table, body []byte) (*plan, error) {
	parsed, err := parseTableMap(body)
	if err != nil {
		return nil, err
	}
	return newPlan(t.shape, parsed, a.facts)
}

// noTable is the id with which a server ends a statement whose tables it does not log.
const noTable = 0xff_ffff

// rowsOf finds the table of a rows event, nil when it is not captured.
func (a *assembler) rowsOf(e *event) (*mapped, error) {
	if len(e.body) < 8 {
		return nil, a.fatal(e, errShort.Error())
	}
	id := u48(e.body)
	m := a.ids[id]
	if m == nil {
		if id == noTable {
			return nil, nil
		}
		return nil, a.fatal(e, fmt.Sprintf("rows of table id %d, which no table map names", id))
	}
	if m.ghost == nil && (m.table == nil || m.table.stopped) {
		return nil, nil
	}
	return m, nil
}

// rows decodes a rows event into the batch of its table.
func (a *assembler) rows(e *event, kind rowsKind) error {
	m, err := a.rowsOf(e)
	if err != nil || m == nil {
		return err
	}
	if m.ghost != nil {
		a.ghostRows(m, e, kind)
		return nil
	}
	if m.watched {
		a.written(m.table.shape.Name)
	}
	re, err := parseRows(kind, e.extra(kind), len(m.plan.cols), e.body[6:])
	if err == nil && packedRows(e) {
		re.rows, err = a.packed.inflate(re.rows)
	}
	if err == nil {
		err = a.images(m, &re, e.start+uint64(headerSize+len(e.body)-len(re.rows)))
	}
	if err != nil {
		a.stop(m.table, e.start, fmt.Errorf("decode row: %w; resync the table", err))
	}
	return a.ahead()
}

// extra says that a rows event is of the version that may carry data which is not about the rows.
func (e *event) extra(kind rowsKind) bool {
	return e.kind >= replication.WRITE_ROWS_EVENTv2 && e.kind <= replication.DELETE_ROWS_EVENTv2 || kind == partialRows
}

// images decodes the row images of an event. offset is the first one's in the file.
func (a *assembler) images(m *mapped, re *rowsEvent, offset uint64) error {
	t, seq, rest := m.table, a.seq(offset), re.rows
	for len(rest) > 0 {
		if t.batch == nil {
			a.begin(t)
		}
		before := m.plan.unpacked(t.batch)
		after, err := m.plan.appendRow(t.batch, re, rest, seq, a.txn.time)
		if err != nil {
			return err
		}
		a.txn.orders++
		t.batch.Number(a.txn.orders, re.images)
		if a.packed.last != 0 {
			for i := t.batch.Len() - re.images; i < t.batch.Len(); i++ {
				t.batch.Seqs[i] = a.packed.take()
			}
		}
		n := len(rest) - len(after)
		seq, rest = seq+uint64(n), after
		n = max(n, m.plan.unpacked(t.batch)-before)
		t.filled += n
		a.txn.bytes += n
		if t.filled >= batchBytes {
			t.batch = nil
		}
	}
	return nil
}

// begin opens a batch for the rows of a table in the current transaction.
func (a *assembler) begin(t *table) {
	t.batch, t.filled = row.New(t.shape), 0
	t.batch.Origin = a.txn.origin
	a.txn.items = append(a.txn.items, source.Event{Rows: t.batch, Txn: a.txn.id()})
	a.txn.open = append(a.txn.open, t)
	a.own(t)
}

// ahead delivers what a large transaction has so far, so that it needs no memory.
func (a *assembler) ahead() error {
	if a.txn.xa {
		a.limitHeld()
		return nil
	}
	if a.txn.bytes < aheadBytes && (a.txn.bytes < batchBytes || !a.txn.ahead) {
		return nil
	}
	a.deliver()
	a.txn.ahead, a.txn.bytes = true, 0
	return a.drain()
}

// deliver moves the transaction's items to out.
func (a *assembler) deliver() {
	for _, t := range a.txn.open {
		t.batch = nil
	}
	a.txn.open = a.txn.open[:0]
	for _, it := range a.txn.items {
		if it.Rows != nil && it.Rows.Len() == 0 {
			it.Rows.Free()
			continue
		}
		if it.Rows == nil && it.Schema == nil && it.Stopped == nil {
			continue
		}
		a.out = append(a.out, it)
	}
	a.outBytes += a.txn.bytes
	clear(a.txn.items)
	a.txn.items = a.txn.items[:0]
}

// commit ends the transaction at an offset, and delivers it.
func (a *assembler) commit(stop uint64) error {
	t := &a.txn
	rows := t.ahead || len(t.items) > 0
	a.deliver()
	a.pos.Offset = stop
	switch {
	case t.origin.Number == 0:
		a.pos.GTIDs = nil // they do not name all that was read any more
	case a.pos.GTIDs != nil:
		a.pos.GTIDs.Add(t.gtid())
	}
	if rows {
		a.boundary(t.time)
	} else {
		a.moved = true
	}
	a.reset()
	return nil
}

// boundary delivers the position.
func (a *assembler) boundary(time int64) {
	a.moved, a.beat = false, 0
	a.pos.Ragged = a.pos.Ragged && a.pos.Seq() < a.even
	a.text = a.pos.appendText(a.text[:0])
	a.out = append(a.out, source.Event{Commit: source.Position(a.text), Seq: a.pos.Seq(), Time: time})
}

// flush delivers the position if it is past the last one that was delivered.
func (a *assembler) flush() {
	if a.moved {
		a.boundary(a.beat)
	}
}

// reset forgets the transaction.
func (a *assembler) reset() {
	t := &a.txn
	*t = txn{items: t.items[:0], open: t.open[:0], saves: t.saves[:0]}
}

// discard forgets the transaction and its rows. It is false if that is not possible any more, because some are delivered
// or shapes have changed.
func (a *assembler) discard() bool {
	t := &a.txn
	if t.ahead || t.schema {
		return false
	}
	kept := t.items[:0]
	for _, it := range t.items {
		if it.Rows != nil {
			it.Rows.Free()
		}
		if it.Stopped != nil {
			kept = append(kept, it)
		}
	}
	for _, o := range t.open {
		o.batch = nil
	}
	a.out = append(a.out, kept...)
	t.items = kept[:0]
	a.reset()
	return true
}

// stop ends the capture of a table, with its rows of the current transaction.
func (a *assembler) stop(t *table, offset uint64, why error) {
	t.stopped, t.batch = true, nil
	a.held.drop(t.shape.Name)
	a.overtaken(t.shape.Name, "the table was stopped meanwhile")
	for i := range a.txn.items {
		if it := &a.txn.items[i]; it.Rows != nil && it.Rows.Table.Name == t.shape.Name {
			// The batch may hold half a row: it must not be pooled in a shape that New does not expect.
			it.Rows.Truncate(0)
			it.Rows.Free()
			it.Rows = nil
		}
	}
	a.stopped(t.shape.Name, offset, why)
}

// stopped reports a table that is not, or no longer, captured.
func (a *assembler) stopped(name schema.Name, offset uint64, why error) {
	err := fmt.Errorf("at %s:%d: %w", a.pos.File, offset, why)
	a.txn.items = append(a.txn.items, source.Event{Stopped: &schema.TableError{Table: name, Err: err}, Txn: a.txn.id()})
}
