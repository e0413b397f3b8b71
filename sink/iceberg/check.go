package iceberg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/cdcsync/cdcsync/schema"
)

// Check looks whether the catalog answers and the warehouse can be written to. It leaves nothing behind.
func (s *Sink) Check(ctx context.Context) []schema.Finding {
	return []schema.Finding{s.checkCatalog(ctx), s.checkWarehouse(ctx)}
}

func (s *Sink) checkCatalog(ctx context.Context) schema.Finding {
	what := fmt.Sprintf("Iceberg catalog %s (%s)", s.cfg.Catalog["type"], s.catalogAddress())
	namespaces, err := s.cat.ListNamespaces(ctx, nil)
	if err != nil {
		return schema.Finding{Level: schema.Problem, What: what + " does not answer", Why: err.Error(),
			Fix: "correct catalog.properties: type, uri, warehouse and the credentials; ask the catalog's log"}
	}
	return schema.Finding{What: fmt.Sprintf("%s answers: %d namespaces", what, len(namespaces))}
}

// catalogAddress is what to call the catalog: never a property that may hold a secret.
func (s *Sink) catalogAddress() string {
	if s.root != "" && s.cfg.Catalog["uri"] == "" {
		return s.root + "/catalog.db"
	}
	return s.cfg.Catalog["warehouse"]
}

func (s *Sink) checkWarehouse(ctx context.Context) schema.Finding {
	warehouse := s.root
	if warehouse == "" {
		warehouse = s.cfg.Catalog["warehouse"]
	}
	if warehouse == "" {
		return schema.Finding{What: "the catalog chooses where the tables' files go: writing there was not tried"}
	}
	fail := func(err error) schema.Finding {
		return schema.Finding{Level: schema.Problem, What: "warehouse " + warehouse + " cannot be written to", Why: err.Error(),
			Fix: "create it, or give this user and these credentials the right to write, read and delete files there"}
	}
	if s.root != "" {
		return s.checkFolder(warehouse, fail)
	}
	fs, err := iceio.LoadFS(ctx, s.cfg.Catalog, warehouse)
	if err != nil {
		return fail(err)
	}
	w, ok := fs.(iceio.WriteFileIO)
	if !ok {
		return fail(table.ErrWriteIORequired)
	}
	probe := warehouse + "/cdcsync-check-" + shortID()
	if err := w.WriteFile(probe, []byte("cdcsync check\n")); err != nil {
		return fail(err)
	}
	if err := w.Remove(probe); err != nil {
		return fail(err)
	}
	return schema.Finding{What: "warehouse " + warehouse + " can be written to"}
}

func (s *Sink) checkFolder(warehouse string, fail func(error) schema.Finding) schema.Finding {
	dir, err := localPath(warehouse)
	if err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(dir, "cdcsync-check-*")
	if err != nil {
		return fail(err)
	}
	_, err = f.WriteString("cdcsync check\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if rerr := os.Remove(filepath.Clean(f.Name())); err == nil {
		err = rerr
	}
	if err != nil {
		return fail(err)
	}
	return schema.Finding{What: "warehouse " + warehouse + " can be written to"}
}
