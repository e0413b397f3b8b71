package binlog

import (
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/source"
)

// heartbeat takes an idle server's sign of life. While the log changes from a file to the next, which may take a while, the
// rotate event at the end of the old file is sent already, and heartbeats still speak of that end: it is no place in the next.
func (a *assembler) heartbeat(e *event) {
	a.beat = time.Now().UnixMicro() // the server has nothing newer: a reader lags no more than this
	if heartbeatFile(e) != a.pos.File {
		return
	}
	if a.txn.phase == idle {
		a.skipped(e.stop)
		a.unplaced = false
	}
	a.progress(e.stop)
}

// progress moves the boundary without a transaction.
func (a *assembler) progress(offset uint64) {
	if a.txn.phase == idle && !a.unplaced {
		a.pos.Offset, a.moved = max(a.pos.Offset, offset), true
	}
}

// rotate goes on to another file.
func (a *assembler) rotate(e *event) error {
	if len(e.body) <= 8 {
		return a.fatal(e, errShort.Error())
	}
	if err := a.interrupted(); err != nil {
		return err
	}
	file := string(e.body[8:])
	if _, err := FileNumber(file); err != nil {
		return a.fatal(e, err.Error())
	}
	next := Position{Shift: a.pos.Shift, File: file, Offset: u64(e.body)}
	if a.pos.File != "" && next.Seq() < a.pos.Seq() {
		return fmt.Errorf("%w: the server goes back from %s:%d to %s:%d", source.ErrPositionLost, a.pos.File, a.pos.Offset, file, next.Offset)
	}
	a.pos.File, a.pos.Offset, a.moved = file, next.Offset, !a.unplaced
	clear(a.ids)
	return nil
}

// interrupted says that a file has ended: a transaction that has not ended with it never will.
func (a *assembler) interrupted() error {
	if a.txn.phase != idle && !a.discard() {
		return fmt.Errorf("%w: the log file %s ends inside a transaction of which rows are delivered", source.ErrTransient, a.pos.File)
	}
	return nil
}
