package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/pipeline/config"
	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
	"github.com/cdcsync/cdcsync/sink/clickhouse"
	"github.com/cdcsync/cdcsync/sink/iceberg"
	"github.com/cdcsync/cdcsync/sink/kafka"
	"github.com/cdcsync/cdcsync/source"
	"github.com/cdcsync/cdcsync/source/mysql"
)

// A sourceConnector is a source as the commands use it.
type sourceConnector interface {
	source.Source
	Describe() string
	Check(ctx context.Context, tables []*schema.Table) ([]schema.Finding, error)
	EstimateRows(ctx context.Context, tables []*schema.Table) (map[schema.Name]int64, error)
}

// A sinkConnector is a sink as the commands use it.
type sinkConnector interface {
	sink.Sink
	Check(ctx context.Context) []schema.Finding
	// peek returns the columns and at most limit rows of a table, all for 0.
	peek(ctx context.Context, table schema.Name, limit int) (columns []string, rows [][]string, err error)
}

// An openSource opens a source whose section of the file is decoded.
type openSource func(ctx context.Context, log *slog.Logger) (sourceConnector, error)

// A sinkSetup is a sink whose section of the file is decoded.
type sinkSetup struct {
	// open opens the sink, and may create it. pipeline is the name under which it marks commits.
	open func(ctx context.Context, pipeline string, log *slog.Logger) (sinkConnector, error)
	// absent says why there is no sink yet that could be read, or nothing.
	absent func() string
	// dropper opens the sink to drop tables of the pipeline, whatever the file says of dropped tables.
	dropper     func(ctx context.Context, pipeline string) (sink.Sink, error)
	interval    time.Duration // between commits, unless the file says otherwise; 0: the engine's own
	commitBytes int64         // a transaction of so much is committed before the interval is over; 0: the engine's own
	memory      int64         // that the sink takes beside the budget
	// plan returns the columns that the sink's table for t will have. The sink need not be there.
	plan func(t *schema.Table) ([]column, error)
}

// A column is a column of a sink table, for people.
type column struct{ name, kind string }

// sources and sinks are all connectors there are, by the names they have in files. They are read-only.
var (
	sources = map[string]func(f *config.File) openSource{"mysql": mysqlSource, "mariadb": mysqlSource}
	sinks   = map[string]func(f *config.File) sinkSetup{"iceberg": icebergSink, "clickhouse": clickhouseSink, "kafka": kafkaSink}
)

func mysqlSource(f *config.File) openSource {
	cfg := mysql.DefaultConfig()
	f.Source.Decode(&cfg)
	resolve(f, &cfg.TLSCA, &cfg.TLSCert, &cfg.TLSKey)
	return func(ctx context.Context, log *slog.Logger) (sourceConnector, error) { return mysql.Open(ctx, cfg, log) }
}

func icebergSink(f *config.File) sinkSetup {
	cfg := iceberg.DefaultConfig()
	f.Sink.Decode(&cfg)
	warehouse, local := localFolder(cfg.Catalog)
	if local && warehouse == cfg.Catalog["warehouse"] {
		warehouse = f.Resolve(warehouse)
		cfg.Catalog["warehouse"] = warehouse
	}
	return sinkSetup{
		open: func(ctx context.Context, pipeline string, log *slog.Logger) (sinkConnector, error) {
			s, err := iceberg.Open(ctx, pipeline, cfg, log)
			return icebergConnector{s}, err
		},
		absent: func() string { // a local catalog is made when it is opened, any other is there
			if _, err := os.Stat(filepath.Join(warehouse, "catalog.db")); local && errors.Is(err, os.ErrNotExist) {
				return "there is no warehouse at " + warehouse + " yet"
			}
			return ""
		},
		dropper: func(ctx context.Context, pipeline string) (sink.Sink, error) {
			cfg.Drop = iceberg.DropTable
			return iceberg.Open(ctx, pipeline, cfg, nil)
		},
		plan: icebergPlan,
	}
}

func icebergPlan(t *schema.Table) ([]column, error) {
	planned, err := new(iceberg.Sink).Plan(t)
	return columns(planned, func(c iceberg.Column) column { return column{c.Name, c.Type} }), err
}

// A commit of ClickHouse is a part of each table that changed, one of Kafka a transaction. Both are to show changes soon;
// when commits take longer than this they grow by themselves.
const (
	clickhouseInterval = 500 * time.Millisecond
	kafkaInterval      = 50 * time.Millisecond
	kafkaCommitBytes   = 64 << 20
	// Records wait for their acknowledgement, and compressing takes its buffers: without room for them the garbage collector
	// takes a quarter of the time.
	kafkaMemory = 64 << 20
)

// Both are opened for planning, too: they connect to nobody before they are asked for more.
func clickhouseSink(f *config.File) sinkSetup {
	cfg := clickhouse.DefaultConfig()
	f.Sink.Decode(&cfg)
	resolve(f, &cfg.CA, &cfg.Certificate, &cfg.Key)
	planner := sync.OnceValues(func() (*clickhouse.Sink, error) { return clickhouse.Open(context.Background(), "", cfg, nil) })
	return sinkSetup{
		interval: clickhouseInterval,
		open: func(ctx context.Context, pipeline string, log *slog.Logger) (sinkConnector, error) {
			s, err := clickhouse.Open(ctx, pipeline, cfg, log)
			return clickhouseConnector{s}, err
		},
		absent: present,
		dropper: func(ctx context.Context, pipeline string) (sink.Sink, error) {
			cfg.Drop = clickhouse.DropTable
			return clickhouse.Open(ctx, pipeline, cfg, nil)
		},
		plan: func(t *schema.Table) ([]column, error) {
			s, err := planner()
			if err != nil {
				return nil, err
			}
			planned, err := s.Plan(t)
			return columns(planned, func(c clickhouse.PlannedColumn) column { return column{c.Name, c.Type} }), err
		},
	}
}

func kafkaSink(f *config.File) sinkSetup {
	cfg := kafka.DefaultConfig()
	cfg.Version = version
	if f.Source.Type == "mariadb" {
		cfg.Connector = f.Source.Type
	}
	f.Sink.Decode(&cfg)
	resolve(f, &cfg.SASLTokenFile, &cfg.RegistryCA)
	if !strings.Contains(cfg.ClaimURI, "://") {
		resolve(f, &cfg.ClaimURI)
	}
	planner := sync.OnceValues(func() (*kafka.Sink, error) { return kafka.Open(context.Background(), "", cfg, nil) })
	return sinkSetup{
		interval: kafkaInterval, commitBytes: kafkaCommitBytes, memory: kafkaMemory,
		open: func(ctx context.Context, pipeline string, log *slog.Logger) (sinkConnector, error) {
			s, err := kafka.Open(ctx, pipeline, cfg, log)
			return kafkaConnector{s}, err
		},
		absent: present,
		dropper: func(ctx context.Context, pipeline string) (sink.Sink, error) {
			cfg.Drop = kafka.DropTopic
			return kafka.Open(ctx, pipeline, cfg, nil)
		},
		plan: func(t *schema.Table) ([]column, error) {
			s, err := planner()
			if err != nil {
				return nil, err
			}
			planned, err := s.Plan(t)
			return columns(planned, func(c kafka.PlannedColumn) column { return column{c.Name, c.Type} }), err
		},
	}
}

// present is what absent says of a sink that is a server.
func present() string { return "" }

// resolve makes paths of the file begin at its folder.
func resolve(f *config.File, paths ...*string) {
	for _, path := range paths {
		if *path != "" {
			*path = f.Resolve(*path)
		}
	}
}

// columns are a sink's planned columns, for people.
func columns[C any](planned []C, of func(C) column) []column {
	all := make([]column, len(planned))
	for i, c := range planned {
		all[i] = of(c)
	}
	return all
}

// localFolder returns the folder of a catalog that is a file in its warehouse.
func localFolder(catalog map[string]string) (string, bool) {
	w := catalog["warehouse"]
	if catalog["type"] != "sql" || catalog["uri"] != "" || w == "" {
		return "", false
	}
	path, isURL := strings.CutPrefix(w, "file:")
	if isURL && strings.HasPrefix(path, "//") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	return path, isURL || !strings.Contains(w, "://")
}

type icebergConnector struct{ *iceberg.Sink }

type clickhouseConnector struct{ *clickhouse.Sink }

type kafkaConnector struct{ *kafka.Sink }

func (c clickhouseConnector) peek(ctx context.Context, table schema.Name, limit int) ([]string, [][]string, error) {
	r, err := c.Peek(ctx, table, limit)
	return r.Columns, r.Rows, err
}

func (c kafkaConnector) peek(ctx context.Context, table schema.Name, limit int) ([]string, [][]string, error) {
	r, err := c.Peek(ctx, table.String(), limit)
	return r.Columns, r.Rows, err
}

func (c icebergConnector) peek(ctx context.Context, table schema.Name, limit int) ([]string, [][]string, error) {
	r, err := c.Peek(ctx, table, limit)
	return r.Columns, r.Rows, err
}

// connector finds the connector of a section, and reports a name that none has.
func connector[C any](s *config.Section, known map[string]C) (C, bool) {
	c, ok := known[s.Type]
	if ok || s.Type == "" {
		return c, ok
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	text := "is no connector of this version: write " + strings.Join(names, " or ")
	if near := config.Nearest(s.Type, names); near != "" {
		text = "is no connector; did you mean " + near + "?"
	}
	s.Report("type", s.Type+" "+text)
	return c, false
}
