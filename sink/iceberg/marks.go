package iceberg

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// The properties of a snapshot's summary that hold a Mark. The table's own properties have the same ones, below
// "cdcsync.PIPELINE.".
const (
	propPipeline = "cdcsync.pipeline" // of the table too: the pipeline that it belongs to
	propRun      = "cdcsync.run"
	propEpoch    = "cdcsync.epoch"
	propPosition = "cdcsync.position"
	propCommitID = "cdcsync.commit-id"
	propState    = "cdcsync.state"
)

// The further properties of a table, below "cdcsync.PIPELINE.".
const (
	propShape   = "shape"   // fingerprint of the source table's shape that the Iceberg table matches
	propDropped = "dropped" // the source table is gone, and this one was kept
)

// loaders is how many tables are loaded at once.
const loaders = 8

// own is the key of a table property of this pipeline.
func (s *Sink) own(name string) string { return "cdcsync." + s.pipeline + "." + name }

// commitID names a commit of one table.
func (s *Sink) commitID(m sink.Mark) string {
	return fmt.Sprintf("%s/%d/%d", s.pipeline, m.Run, m.Epoch)
}

// summary spells a mark as properties of a snapshot.
func (s *Sink) summary(m sink.Mark) iceberg.Properties {
	return iceberg.Properties{
		propPipeline: s.pipeline,
		propRun:      strconv.FormatUint(m.Run, 10),
		propEpoch:    strconv.FormatUint(m.Epoch, 10),
		propPosition: m.Position,
		propCommitID: s.commitID(m),
		propState:    base64.StdEncoding.EncodeToString(m.State),
	}
}

// properties spells a mark as properties of the table.
func (s *Sink) properties(m sink.Mark) iceberg.Properties {
	p := iceberg.Properties{propPipeline: s.pipeline}
	for k, v := range s.summary(m) {
		if k != propPipeline {
			p[s.own(k[len("cdcsync."):])] = v
		}
	}
	return p
}

// A mark is a Mark as found in a table.
type mark struct {
	sink.Mark
	id string // the commit's
}

// readMark reads a mark from properties; ok is false when there is none of this pipeline.
func (s *Sink) readMark(get func(name string) string) (m mark, ok bool, err error) {
	if get("epoch") == "" {
		return mark{}, false, nil
	}
	var errs [3]error
	m.id, m.Position = get("commit-id"), get("position")
	m.Run, errs[0] = strconv.ParseUint(get("run"), 10, 64)
	m.Epoch, errs[1] = strconv.ParseUint(get("epoch"), 10, 64)
	m.State, errs[2] = base64.StdEncoding.DecodeString(get("state"))
	if err := errors.Join(errs[:]...); err != nil {
		return mark{}, false, fmt.Errorf("read the commit mark of pipeline %s: %w", s.pipeline, err)
	}
	return m, true, nil
}

// newest returns the newest mark of this pipeline in a table, the zero mark for none: the one in the table's properties,
// if the table's history agrees.
func (s *Sink) newest(tbl *table.Table) (mark, error) {
	props := tbl.Properties()
	m, ok, err := s.readMark(func(name string) string { return props[s.own(name)] })
	if err != nil || !ok {
		return mark{}, err
	}
	return m, s.checkHistory(tbl, m)
}

// checkHistory compares the mark in the properties with the snapshots. When the snapshot that the mark belongs to is no
// ancestor of the current one, somebody rolled the table back or replaced its content.
func (s *Sink) checkHistory(tbl *table.Table, m mark) error {
	meta := tbl.Metadata()
	var ancestors []table.Snapshot
	complete := true
	if cur := tbl.CurrentSnapshot(); cur != nil {
		ancestors, complete = table.AncestorsOfChecked(cur.SnapshotID, meta.SnapshotByID)
	}
	is := func(sn *table.Snapshot) bool {
		return sn.Summary != nil && sn.Summary.Properties[propCommitID] == m.id
	}
	for i := range ancestors {
		if is(&ancestors[i]) {
			return nil
		}
	}
	for _, sn := range meta.Snapshots() {
		if is(&sn) {
			complete = true // it is there, and not an ancestor
		}
	}
	if !complete {
		return nil // expired since
	}
	return fmt.Errorf("the table was rolled back or replaced by somebody: its properties say that commit %s took effect (position %s), "+
		"but no ancestor of its current snapshot has it; roll it forward again, or drop the table and copy it anew", m.id, m.Position)
}

// Marks implements sink.Sink. A table that was kept when the source's was dropped has none: it makes room for the next one of
// its name.
func (s *Sink) Marks(ctx context.Context, tables []schema.Name) (map[schema.Name]sink.Mark, error) {
	var (
		mu    sync.Mutex // guards marks and errs
		marks = map[schema.Name]sink.Mark{}
		errs  []error
		g     errgroup.Group
	)
	g.SetLimit(loaders)
	for _, name := range tables {
		g.Go(func() error {
			m, err := s.tableMark(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else if m.Epoch > 0 {
				marks[name] = m
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return marks, errors.Join(errs...)
}

func (s *Sink) tableMark(ctx context.Context, name schema.Name) (sink.Mark, error) {
	tbl, err := s.load(ctx, name)
	if err != nil || tbl == nil || s.dropped(tbl) {
		return sink.Mark{}, err
	}
	m, err := s.newest(tbl)
	if err != nil {
		return sink.Mark{}, tableError(name, err)
	}
	return m.Mark, nil
}
