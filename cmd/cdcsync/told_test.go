package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestRun_ToldWhileConnecting tells the program to end while the source's server has not answered yet: that is an orderly
// end.
func TestRun_ToldWhileConnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	path := filepath.Join(t.TempDir(), "p.yaml")
	text := fmt.Sprintf("source: {type: mysql, hostname: 127.0.0.1, port: %d, username: u, tables: 'a.b'}\n"+
		"sink: {type: iceberg, catalog.properties.type: sql, catalog.properties.warehouse: w}\n", l.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends with the listener
		if conn, err := l.Accept(); err == nil {
			cancel()
			_ = conn.Close()
		}
	}()
	var said bytes.Buffer
	a := &app{out: &said, err: &said, env: os.LookupEnv}
	if code := a.run(ctx, []string{"run", path}); code != exitFine || ctx.Err() == nil {
		t.Errorf("got exit code %d, want %d: %s", code, exitFine, &said)
	}
}
