// Package lake tests the program against catalogs and object stores as others run them.
package lake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// shop makes a table with rows, and returns what changes them: rows, and the shape with them.
func shop(t *testing.T, s *servers.Server, db string) (change func()) {
	t.Helper()
	exec := func(statements ...string) {
		for _, sql := range statements {
			s.Exec(t, strings.ReplaceAll(sql, "DB.", db+"."))
		}
	}
	values := make([]string, 500)
	for i := range values {
		values[i] = fmt.Sprintf("(%d, 'row %d')", i, i)
	}
	exec("CREATE TABLE DB.orders (id INT PRIMARY KEY, note VARCHAR(40))", "INSERT INTO DB.orders VALUES "+strings.Join(values, ", "))
	round := 0
	return func() {
		round++
		exec(fmt.Sprintf("INSERT INTO DB.orders (id, note) VALUES (%d, 'new')", 1000+round), fmt.Sprintf("UPDATE DB.orders SET note = 'changed' WHERE id %% 7 = %d", round),
			fmt.Sprintf("DELETE FROM DB.orders WHERE id %% 11 = %d", round), fmt.Sprintf("ALTER TABLE DB.orders ADD extra%d INT", round),
			fmt.Sprintf("UPDATE DB.orders SET extra%d = id WHERE id %% 5 = %[1]d", round))
	}
}

// command runs a subcommand that must go well.
func command(t *testing.T, p *e2e.Pipeline, name string, args ...string) string {
	t.Helper()
	out, said, code := p.Command(t, name, args...)
	if code != 0 {
		t.Fatalf("%s exits with %d: %s%s", name, code, out, said)
	}
	return out
}

// TestS3 copies into tables on an object store that a REST catalog names, while replies to commits are lost.
func TestS3(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	db := s.Database(t)
	change := shop(t, s, db)
	store := servers.S3(t)
	px := proxy.New(t, servers.IcebergRESTOn(t, store))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": store, "AWS_ACCESS_KEY_ID": servers.S3Key, "AWS_SECRET_ACCESS_KEY": servers.S3Secret, "AWS_REGION": servers.S3Region,
	} {
		t.Setenv(name, value) // for the reader
	}
	own := []string{"AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"} // the program has its file
	const catalog = "sink.catalog.properties."
	p := e2e.NewPipeline(t, s, db, e2e.Settings{
		catalog + "type": "rest", catalog + "uri": "http://" + px.Addr(), catalog + "warehouse": "",
		catalog + "s3.endpoint": store, catalog + "s3.region": servers.S3Region, catalog + "s3.access-key-id": servers.S3Key,
		catalog + "s3.secret-access-key": servers.S3Secret, catalog + "s3.path-style-access": `"true"`,
	})
	command(t, p, "check")
	d := p.Run(t, own...)
	p.Equal(t, 30*time.Second, "orders")
	for range 3 {
		px.LoseReply("POST /v1/namespaces/"+db+"/tables/", 1)
		change()
		p.Equal(t, 30*time.Second, "orders")
	}
	if px.Lost() == 0 {
		t.Error("no reply was lost")
	}
	d.Kill(t)
	change()
	d = p.Run(t, own...)
	p.Equal(t, 30*time.Second, "orders")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// TestResync_REST copies a table anew that follows, from MySQL into a REST catalog. Its shape changes in between.
func TestResync_REST(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMySQL)
	db := s.Database(t)
	change := shop(t, s, db)
	const catalog = "sink.catalog.properties."
	p := e2e.NewPipeline(t, s, db, e2e.Settings{
		catalog + "type": "rest", catalog + "uri": "http://" + servers.IcebergREST(t), catalog + "warehouse": "",
	})
	command(t, p, "check")
	if plan := command(t, p, "plan"); !strings.Contains(plan, db+".orders -> "+db+".orders") {
		t.Errorf("plan says %s", plan)
	}
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "orders")
	d.Terminate(t)
	e2e.Unlogged(t, s, "DELETE FROM "+db+".orders WHERE id = 13")
	change()
	command(t, p, "resync", db+".orders")
	if state := command(t, p, "state"); !strings.Contains(state, "copied anew by the next run") {
		t.Errorf("state says %s", state)
	}
	d = p.Run(t)
	p.Equal(t, 30*time.Second, "orders")
	change()
	p.Equal(t, 30*time.Second, "orders")
	if code := d.Terminate(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if state := command(t, p, "state"); strings.Contains(state, "anew") || strings.Contains(state, "applying") {
		t.Errorf("state says %s", state)
	}
	command(t, p, "resync", "--all")
	d = p.Run(t)
	p.Equal(t, 30*time.Second, "orders")
	d.Terminate(t)
}

// TestResync_KeyChanged copies a table anew that another key has stopped; it was kept in the sink until then.
func TestResync_KeyChanged(t *testing.T) {
	s := servers.Shared(t, servers.FlavourMariaDB)
	db := s.Database(t)
	change := shop(t, s, db)
	p := e2e.NewPipeline(t, s, db, nil)
	d := p.Run(t)
	p.Equal(t, 30*time.Second, "orders")
	s.Exec(t, "ALTER TABLE "+db+".orders MODIFY note VARCHAR(40) NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id, note)", "INSERT INTO "+db+".orders VALUES (2000, 'a'), (2000, 'b')")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(command(t, p, "state"), " stopped at "); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the table has not stopped: %s", command(t, p, "state"))
		}
	}
	d.Terminate(t)
	command(t, p, "resync", db+".orders")
	d = p.Run(t)
	p.Equal(t, 30*time.Second, "orders")
	change()
	p.Equal(t, 30*time.Second, "orders")
	d.Terminate(t)
	if state := command(t, p, "state"); strings.Contains(state, "anew") || strings.Contains(state, "applying") || !strings.Contains(state, "following") {
		t.Errorf("state says %s", state)
	}
}
