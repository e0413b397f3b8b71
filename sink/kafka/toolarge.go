package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	iceio "github.com/apache/iceberg-go/io"
	_ "github.com/apache/iceberg-go/io/gocloud" // registers s3 and its like with iceio
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/schema/row"
	"github.com/cdcsync/cdcsync/sink/kafka/format"
)

// A narrow is how the records of a table look that would be too large: they have the key columns only.
type narrow struct {
	table   *schema.Table
	columns []int // of the whole table
	values  format.Encoder
}

// tooLarge does with a record, whose parts stand in d, what the configuration says.
func (w *writer) tooLarge(ctx context.Context, d []byte, key, value span, i int) error {
	s, l := w.x.s, w.l
	size := value.to - value.from
	if s.cfg.TooLarge == Fail || value == noSpan || len(l.keyed.Key) == 0 {
		return fmt.Errorf("the record of key %.200q has %d bytes, and its topic %s takes at most %d: raise the topic's max.message.bytes and "+
			"properties.max.request.size, or set record.too.large to claim-check or key-only; then resync the table", key.of(d), len(d)-max(key.from, 0), l.topic, l.limit)
	}
	more := kgo.RecordHeader{Key: headerOmitted, Value: strconv.AppendInt(nil, int64(size), 10)}
	if s.cfg.TooLarge == ClaimCheck {
		uri, err := s.claims.store(ctx, l.topic, value.of(d))
		if err != nil {
			return transient("store a large value", err)
		}
		more = kgo.RecordHeader{Key: headerClaim, Value: []byte(uri)}
	}
	if err := l.makeNarrow(ctx, s); err != nil {
		return err
	}
	d = w.slab.data
	start := len(d)
	key, d, err := w.key(d, i)
	if err != nil {
		return err
	}
	from := len(d)
	c := l.change
	c.Batch = l.narrow.batch(w.b)
	if d, err = l.narrow.values.AppendValue(d, &c); err != nil {
		return err
	}
	if len(d)-start > l.limit {
		return fmt.Errorf("the key alone, %.200q, is larger than the %d bytes that its topic %s takes", key.of(d), l.limit, l.topic)
	}
	return w.place(ctx, d, start, key, span{from, len(d)}, i, more)
}

func (l *layout) makeNarrow(ctx context.Context, s *Sink) (err error) {
	if l.narrow != nil {
		return nil
	}
	t := *l.keyed
	n := &narrow{table: &t, columns: l.keyed.Key}
	t.Columns, t.Key = nil, nil
	for i, c := range n.columns {
		t.Columns, t.Key = append(t.Columns, l.keyed.Columns[c]), append(t.Key, i)
	}
	n.values, err = s.values.Encoder(ctx, &t, l.topic)
	l.narrow = n
	return err
}

// batch is b with the key columns only. It shares memory with b.
func (n *narrow) batch(b *row.Batch) *row.Batch {
	cut := &row.Batch{Table: n.table, Ops: b.Ops, Seqs: b.Seqs, Times: b.Times, Orders: b.Orders, Origin: b.Origin}
	for _, c := range n.columns {
		cut.Cols = append(cut.Cols, b.Cols[c])
	}
	return cut
}

// claims is the folder of large values. A value's file is named by its contents: writing it again changes nothing.
type claims struct {
	uri   string
	write func(ctx context.Context, name string, value []byte) error
}

func openClaims(c *Config) (claims, error) {
	if c.ClaimURI == "" {
		return claims{}, nil
	}
	if dir, ok := strings.CutPrefix(c.ClaimURI, "file://"); ok || !strings.Contains(c.ClaimURI, "://") {
		return claims{uri: strings.TrimSuffix(dir, "/"), write: writeFile}, nil
	}
	props := map[string]string{}
	for k, v := range c.ClaimProperties {
		props[k] = v.Reveal()
	}
	return claims{uri: strings.TrimSuffix(c.ClaimURI, "/"), write: func(ctx context.Context, name string, value []byte) error {
		fs, err := iceio.LoadFS(ctx, props, name)
		if err != nil {
			return err
		}
		w, ok := fs.(iceio.WriteFileIO)
		if !ok {
			return fmt.Errorf("%s cannot be written to", name)
		}
		return w.WriteFile(name, value)
	}}, nil
}

// store writes a value and returns its address.
func (c *claims) store(ctx context.Context, topic string, value []byte) (string, error) {
	sum := sha256.Sum256(value)
	name := c.uri + "/" + topic + "/" + hex.EncodeToString(sum[:16])
	return name, c.write(ctx, name, value)
}

// writeFile makes a file that is whole and durable, or not there.
func writeFile(_ context.Context, name string, value []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".claim-*")
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
