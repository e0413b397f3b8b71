package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e/servers"
	"github.com/cdcsync/cdcsync/schema"
)

// TestStream_Heartbeat follows a table that nobody writes to: the position moves on with what others write, and an idle log
// is told of as often as heartbeat.interval says.
func TestStream_Heartbeat(t *testing.T) {
	servers.Each(t, func(t *testing.T, srv *servers.Server) {
		database := srv.Database(t)
		srv.Exec(t, fmt.Sprintf("CREATE TABLE %s.idle (id INT PRIMARY KEY)", database), fmt.Sprintf("CREATE TABLE %s.other (id INT PRIMARY KEY)", database))
		cfg := configOf(srv)
		cfg.HeartbeatInterval = shortestHeartbeat
		s := openConfig(t, cfg)
		from, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream, err := s.Stream(t.Context(), from, []*schema.Table{tableOf(t, s, database, "idle")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stream.Close() }()
		srv.Exec(t, fmt.Sprintf("INSERT INTO %s.other VALUES (1)", database))
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		next := func() uint64 {
			ev, err := stream.Next(ctx)
			if err != nil || ev.Commit == "" || ev.Rows != nil {
				t.Fatalf("got %+v, %v, want a position", ev, err)
			}
			return ev.Seq
		}
		for next() < seqOf(t, head) {
		}
		const beats = 40
		began := time.Now()
		for range beats {
			next()
		}
		if took := time.Since(began); took > beats*longestHeartbeat/2 {
			t.Errorf("%d heartbeats took %v, want one each %v", beats, took, cfg.HeartbeatInterval)
		}
	})
}

func TestConfig_Heartbeat(t *testing.T) {
	cfg := DefaultConfig()
	if got := cfg.heartbeat(); got != longestHeartbeat {
		t.Errorf("by default an idle log is told of each %v, want %v", got, longestHeartbeat)
	}
	cfg.HeartbeatInterval = 20 * time.Millisecond
	if got := cfg.heartbeat(); got != 20*time.Millisecond || len(cfg.Warnings()) != 0 {
		t.Errorf("an idle log is told of each %v, with %v", got, cfg.Warnings())
	}
	cfg.HeartbeatInterval = time.Minute
	if got := cfg.Warnings(); len(got) != 1 || !strings.Contains(got[0], "heartbeat.interval has no effect above 500ms") {
		t.Errorf("a minute: got warnings %v", got)
	}
	cfg.Hostname, cfg.Username, cfg.HeartbeatInterval = "db", "cdc", time.Millisecond
	if got := cfg.Check(); len(got) != 1 || got[0].Key != "heartbeat.interval" {
		t.Errorf("a millisecond: got problems %v", got)
	}
}
