package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cdcsync/cdcsync/pipeline"
)

// A metricsServer answers /metrics, /healthz and /readyz. It has no other pages, changes nothing, and shows no rows.
type metricsServer struct {
	listener net.Listener
	server   *http.Server
}

// listen opens the address: a port alone, or without a host, is on the loopback interface.
func listen(address string, p *pipeline.Pipeline) (*metricsServer, error) {
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics at %q: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	return &metricsServer{listener: l, server: &http.Server{
		Handler: metricsHandler(p), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}}, nil
}

func (m *metricsServer) address() string { return m.listener.Addr().String() }

// run serves until ctx is cancelled.
func (m *metricsServer) run(ctx context.Context, log *slog.Logger) {
	stop := context.AfterFunc(ctx, func() { _ = m.server.Close() }) // nothing is lost with an answer
	defer stop()
	if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		log.Warn("metrics ended", "err", err)
	}
}

func metricsHandler(p *pipeline.Pipeline) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.Metrics(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, p, healthy) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, p, ready) })
	return mux
}

// healthy says that a restart of the process would not help: it works, or waits for what is outside of it.
func healthy(s pipeline.State) bool {
	return s == pipeline.Starting || s == pipeline.Running || s == pipeline.Retrying || s == pipeline.Ended
}

// ready says that changes flow.
func ready(s pipeline.State) bool { return s == pipeline.Running }

func answer(w http.ResponseWriter, p *pipeline.Pipeline, fine func(pipeline.State) bool) {
	state := p.Status().State
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !fine(state) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, state)
}
