package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/pipeline"
)

// statusCollector shows a pipeline's status as metrics, as of the moment it is asked.
type statusCollector struct {
	status interface{ Status() pipeline.Status }
}

var (
	metricUp       = describe("running", "1 while changes flow")
	metricLag      = describe("lag_seconds", "age of the newest durable commit of the source; idle sources have none")
	metricCommits  = describe("commits_total", "commits with rows")
	metricRestarts = describe("restarts_total", "restarts from the checkpoint after transient errors")
	metricInFlight = describe("in_flight_bytes", "bytes of rows read and not yet written")
	metricEpoch    = describe("epoch", "number of the newest commit")
	metricTables   = describe("tables", "tables by state", "state")
	metricRead     = describe("rows_read_total", "rows read", "table")
	metricWritten  = describe("rows_written_total", "rows handed to the sink", "table")
	metricDropped  = describe("rows_dropped_total", "rows dropped because their table has stopped", "table")
	metricCopied   = describe("rows_copied", "rows that the snapshot has placed", "table")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cdcsync_pipeline_"+name, help, append([]string{"pipeline"}, labels...), nil)
}

// Describe implements prometheus.Collector.
func (c statusCollector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c statusCollector) Collect(out chan<- prometheus.Metric) {
	s := c.status.Status()
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, append([]string{s.Name}, labels...)...)
	}
	up := 0.0
	if ready(s.State) {
		up = 1
	}
	put(metricUp, prometheus.GaugeValue, up)
	put(metricLag, prometheus.GaugeValue, s.Lag.Seconds())
	put(metricCommits, prometheus.CounterValue, float64(s.Commits))
	put(metricRestarts, prometheus.CounterValue, float64(s.Restarts))
	put(metricInFlight, prometheus.GaugeValue, float64(s.InFlight))
	put(metricEpoch, prometheus.GaugeValue, float64(s.Epoch))
	states := map[pipeline.TableState]int{}
	for _, t := range s.Tables {
		states[t.State]++
		name := t.Name.String()
		put(metricRead, prometheus.CounterValue, float64(t.Read), name)
		put(metricWritten, prometheus.CounterValue, float64(t.Written), name)
		put(metricDropped, prometheus.CounterValue, float64(t.Dropped), name)
		put(metricCopied, prometheus.GaugeValue, float64(t.Copied), name)
	}
	for _, state := range []pipeline.TableState{pipeline.Copying, pipeline.Following, pipeline.Stopped, pipeline.Dropped} {
		put(metricTables, prometheus.GaugeValue, float64(states[state]), state.String())
	}
}
