package iceberg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// A snapshot is one to be: a table's next. The library's own row delta leaves every commit's manifests beside each other
// for ever, refuses position deletes that name a file of the same commit, and takes the clock as it is.
type snapshot struct {
	base          *table.Table
	data, deletes []iceberg.DataFile
	empty         bool // drop all that the parent has
	summary       iceberg.Properties

	id     int64
	seq    int64
	fs     iceio.WriteFileIO
	places table.LocationProvider
	files  int // manifests written, for their names
	uuid   string
}

// build writes the snapshot's manifests, and returns what the catalog must be told.
func (s *snapshot) build(ctx context.Context) ([]table.Update, []table.Requirement, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, nil, err
	}
	manifests, err := s.manifests()
	if err != nil {
		return nil, nil, err
	}
	var parent *int64
	if cur := s.base.CurrentSnapshot(); cur != nil {
		parent = &cur.SnapshotID
	}
	list := s.places.NewMetadataLocation(fmt.Sprintf("snap-%d-%s.avro", s.id, s.uuid))
	if err := s.writeList(list, parent, manifests); err != nil {
		return nil, nil, err
	}
	schemaID := s.base.Schema().ID
	sn := table.Snapshot{
		SnapshotID: s.id, ParentSnapshotID: parent, SequenceNumber: s.seq, TimestampMs: s.timestamp(), ManifestList: list,
		SchemaID: &schemaID, Summary: s.totals(),
	}
	ref := s.base.Metadata().SnapshotByName(table.MainBranch)
	if ref != nil && (parent == nil || ref.SnapshotID != *parent) {
		return nil, nil, errors.New("the branch main is not the current snapshot")
	}
	return []table.Update{table.NewAddSnapshotUpdate(&sn), s.reference()},
		[]table.Requirement{table.AssertRefSnapshotID(table.MainBranch, parent), table.AssertTableUUID(s.base.Metadata().TableUUID())}, nil
}

// reference moves the branch, and keeps its retention settings.
func (s *snapshot) reference() table.Update {
	var ref table.SnapshotRef
	for name, r := range s.base.Metadata().Refs() {
		if name == table.MainBranch {
			ref = r
		}
	}
	return table.NewSetSnapshotRefUpdate(table.MainBranch, s.id, table.BranchRef, value(ref.MaxRefAgeMs), value(ref.MaxSnapshotAgeMs), value(ref.MinSnapshotsToKeep))
}

func value[T int | int64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

func (s *snapshot) prepare(ctx context.Context) (err error) {
	fs, err := s.base.FS(ctx)
	if err != nil {
		return err
	}
	var ok bool
	if s.fs, ok = fs.(iceio.WriteFileIO); !ok {
		return table.ErrWriteIORequired
	}
	for s.id == 0 || s.base.SnapshotByID(s.id) != nil {
		s.id = rand.Int64()
	}
	s.seq = s.base.Metadata().LastSequenceNumber() + 1
	s.uuid = uuid.NewString()
	s.places, err = s.base.LocationProvider()
	return err
}

// timestamp is the present, or just after the table's last change where the clock was set back.
func (s *snapshot) timestamp() int64 {
	return max(time.Now().UnixMilli(), s.base.Metadata().LastUpdatedMillis()+1)
}

func (s *snapshot) writeList(path string, parent *int64, manifests []iceberg.ManifestFile) error {
	out, err := s.fs.Create(path)
	if err != nil {
		return err
	}
	err = iceberg.WriteManifestList(2, out, s.id, parent, &s.seq, 0, manifests)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// manifests returns the snapshot's manifests: those of its own files, and the parent's, of which many small ones are
// made one.
func (s *snapshot) manifests() ([]iceberg.ManifestFile, error) {
	var all []iceberg.ManifestFile
	for _, part := range []struct {
		content iceberg.ManifestContent
		files   []iceberg.DataFile
	}{{iceberg.ManifestContentData, s.data}, {iceberg.ManifestContentDeletes, s.deletes}} {
		if len(part.files) == 0 {
			continue
		}
		m, err := s.writeManifest(part.content, s.base.Spec(), func(w *iceberg.ManifestWriter) error { return s.addFiles(w, part.files) })
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	parent := s.base.CurrentSnapshot()
	if parent == nil || s.empty {
		return all, nil
	}
	old, err := parent.Manifests(s.fs)
	if err != nil {
		return nil, fmt.Errorf("read manifests of snapshot %d: %w", parent.SnapshotID, err)
	}
	old, err = s.merge(old)
	return append(all, old...), err
}

func (s *snapshot) addFiles(w *iceberg.ManifestWriter, files []iceberg.DataFile) error {
	for _, f := range files {
		if err := w.Add(iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &s.id, nil, nil, f)); err != nil {
			return err
		}
	}
	return nil
}

// group is what manifests must agree in to become one.
type group struct {
	content iceberg.ManifestContent
	spec    int32
}

// merge makes one manifest of the small ones of each group, when there are commit.manifest.min-count-to-merge of them.
func (s *snapshot) merge(old []iceberg.ManifestFile) ([]iceberg.ManifestFile, error) {
	props := s.base.Properties()
	least := props.GetInt(table.ManifestMinMergeCountKey, table.ManifestMinMergeCountDefault)
	target := int64(props.GetInt(table.ManifestTargetSizeBytesKey, table.ManifestTargetSizeBytesDefault))
	if !props.GetBool(table.ManifestMergeEnabledKey, table.ManifestMergeEnabledDefault) || len(old) < least {
		return old, nil
	}
	var kept []iceberg.ManifestFile
	small := map[group][]iceberg.ManifestFile{}
	for _, m := range old {
		g := group{m.ManifestContent(), m.PartitionSpecID()}
		if m.Length() < target {
			small[g] = append(small[g], m)
		} else {
			kept = append(kept, m)
		}
	}
	for g, ms := range small {
		if len(ms) < least {
			kept = append(kept, ms...)
			continue
		}
		m, err := s.mergeGroup(g, ms)
		if err != nil {
			return nil, err
		}
		kept = append(kept, m)
	}
	return kept, nil
}

func (s *snapshot) mergeGroup(g group, ms []iceberg.ManifestFile) (iceberg.ManifestFile, error) {
	for _, spec := range s.base.Metadata().PartitionSpecs() {
		if spec.ID() != int(g.spec) {
			continue
		}
		return s.writeManifest(g.content, spec, func(w *iceberg.ManifestWriter) error {
			for _, m := range ms {
				for e, err := range m.Entries(s.fs, true) {
					if err == nil {
						err = w.Existing(e)
					}
					if err != nil {
						return fmt.Errorf("merge %s: %w", m.FilePath(), err)
					}
				}
			}
			return nil
		})
	}
	return nil, fmt.Errorf("the table has no partition spec %d", g.spec)
}

func (s *snapshot) writeManifest(content iceberg.ManifestContent, spec iceberg.PartitionSpec, fill func(*iceberg.ManifestWriter) error) (iceberg.ManifestFile, error) {
	s.files++
	path := s.places.NewMetadataLocation(fmt.Sprintf("%s-m%d.avro", s.uuid, s.files))
	out, err := s.fs.Create(path)
	if err != nil {
		return nil, err
	}
	n := counter{Writer: out}
	w, err := iceberg.NewManifestWriter(2, &n, spec, s.base.Schema(), s.id, iceberg.WithManifestWriterContent(content))
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	if err := errors.Join(fill(w), w.Close(), out.Close()); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return w.ToManifestFile(path, n.n, iceberg.WithManifestFileContent(content))
}

// totals returns the summary: what the snapshot adds, and what the table has with it.
func (s *snapshot) totals() *table.Summary {
	added := map[string]int64{}
	for _, f := range s.data {
		added["data-files"]++
		added["records"] += f.Count()
		added["files-size"] += f.FileSizeBytes()
	}
	for _, f := range s.deletes {
		kind := "equality"
		if f.ContentType() == iceberg.EntryContentPosDeletes {
			kind = "position"
		}
		added["delete-files"]++
		added[kind+"-delete-files"]++
		added[kind+"-deletes"] += f.Count()
		added["files-size"] += f.FileSizeBytes()
	}
	out := &table.Summary{Operation: s.operation(), Properties: iceberg.Properties{}}
	maps.Copy(out.Properties, s.summary)
	for k, n := range added {
		out.Properties["added-"+k] = strconv.FormatInt(n, 10)
	}
	for _, k := range []string{"data-files", "records", "files-size", "delete-files", "position-deletes", "equality-deletes"} {
		if before, ok := s.before(k); ok {
			out.Properties["total-"+k] = strconv.FormatInt(before+added[k], 10)
		}
	}
	return out
}

// before is a total of the parent, if it is known.
func (s *snapshot) before(key string) (int64, bool) {
	cur := s.base.CurrentSnapshot()
	if cur == nil || s.empty {
		return 0, true
	}
	if cur.Summary == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(cur.Summary.Properties["total-"+key], 10, 64)
	return n, err == nil
}

func (s *snapshot) operation() table.Operation {
	switch {
	case len(s.data) == 0 && (s.empty || len(s.deletes) > 0):
		return table.OpDelete
	case s.empty, len(s.deletes) > 0:
		return table.OpOverwrite
	}
	return table.OpAppend
}

// commitUpdates gives updates to the catalog. Old metadata files go, as the table's properties say.
func commitUpdates(ctx context.Context, cat catalog.Catalog, base *table.Table, reqs []table.Requirement, updates []table.Update) error {
	meta, _, err := cat.CommitTable(ctx, base.Identifier(), reqs, updates)
	if err != nil {
		return err
	}
	if !meta.Properties().GetBool(table.MetadataDeleteAfterCommitEnabledKey, table.MetadataDeleteAfterCommitEnabledDefault) {
		return nil
	}
	fs, err := base.FS(ctx)
	if err != nil {
		return nil //nolint:nilerr // committed; an old file that stays does no harm
	}
	kept := map[string]bool{}
	for e := range meta.PreviousFiles() {
		kept[e.MetadataFile] = true
	}
	for e := range base.Metadata().PreviousFiles() {
		if !kept[e.MetadataFile] {
			_ = fs.Remove(e.MetadataFile) // the catalog or another engine may have removed it
		}
	}
	return nil
}
