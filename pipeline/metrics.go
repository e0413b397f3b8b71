package pipeline

import "github.com/prometheus/client_golang/prometheus"

// A collector shows the status of a pipeline to Prometheus, as of the moment of the scrape.
type collector struct {
	p       *Pipeline
	figures []figure
	tables  []tableFigure
}

type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*Status) float64
}

type tableFigure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*TableStatus) float64
}

var _ prometheus.Collector = (*collector)(nil)

// Metrics returns the pipeline's metrics, all named cdcsync_pipeline_*.
func (p *Pipeline) Metrics() prometheus.Collector {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	labels := prometheus.Labels{"pipeline": p.Name}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("cdcsync_pipeline_"+name, help, variable, labels)
	}
	table := func(name, help string) *prometheus.Desc { return desc(name, help, "namespace", "table") }
	return &collector{p: p, figures: []figure{
		{desc("up", "1 while changes flow."), gauge, func(s *Status) float64 { return truth(s.State == Running) }},
		{desc("lag_seconds", "Age of the newest durable commit boundary; 0 when unknown."), gauge, func(s *Status) float64 { return s.Lag.Seconds() }},
		{desc("epoch", "Number of the newest commit."), gauge, func(s *Status) float64 { return float64(s.Epoch) }},
		{desc("run", "Number of the present start."), gauge, func(s *Status) float64 { return float64(s.Run) }},
		{desc("commits_total", "Commits of transactions with rows."), counter, func(s *Status) float64 { return float64(s.Commits) }},
		{desc("restarts_total", "Restarts after transient errors."), counter, func(s *Status) float64 { return float64(s.Restarts) }},
		{desc("in_flight_bytes", "Bytes of rows read and not yet written."), gauge, func(s *Status) float64 { return float64(s.InFlight) }},
	}, tables: []tableFigure{
		{table("table_stopped", "1 for a table that has stopped."), gauge, func(t *TableStatus) float64 { return truth(t.State == Stopped) }},
		{table("table_copying", "1 while the rows of a table are copied."), gauge, func(t *TableStatus) float64 { return truth(t.State == Copying) }},
		{table("read_rows_total", "Rows read from the source."), counter, func(t *TableStatus) float64 { return float64(t.Read) }},
		{table("written_rows_total", "Rows handed to the sink."), counter, func(t *TableStatus) float64 { return float64(t.Written) }},
		{table("dropped_rows_total", "Rows of tables that have stopped."), counter, func(t *TableStatus) float64 { return float64(t.Dropped) }},
		{table("superseded_rows_total", "Rows left out because the sink has them or gets newer ones."), counter, func(t *TableStatus) float64 { return float64(t.Superseded) }},
		{table("copied_rows", "Rows that the snapshot has placed."), gauge, func(t *TableStatus) float64 { return float64(t.Copied) }},
		{table("copied_chunks", "Chunks that the snapshot has placed."), gauge, func(t *TableStatus) float64 { return float64(t.Chunks) }},
	}}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		ch <- f.desc
	}
	for _, f := range c.tables {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.p.Status()
	for _, f := range c.figures {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&s))
	}
	for i := range s.Tables {
		for _, f := range c.tables {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&s.Tables[i]), s.Tables[i].Name.Namespace, s.Tables[i].Name.Table)
		}
	}
}
