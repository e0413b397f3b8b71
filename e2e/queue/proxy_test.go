package queue

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/e2e"
	"github.com/cdcsync/cdcsync/e2e/proxy"
	"github.com/cdcsync/cdcsync/e2e/servers"
)

// behindProxy starts a broker with a second listener, at which it is known by the address of a proxy: who connects
// through the proxy stays there.
func behindProxy(t *testing.T) (*servers.KafkaCluster, *proxy.Proxy) {
	t.Helper()
	cluster := servers.Kafka(t)
	b := cluster.Brokers[0]
	b.Stop(t)
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	px := proxy.New(t, fmt.Sprintf("127.0.0.1:%d", port))
	properties := strings.Join([]string{
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d,PROXIED://127.0.0.1:%d", b.Port, b.Port+1, port),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,PROXIED://%s", b.Port, px.Addr()),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT", "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(b.Dir, "extra.properties"), []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	return cluster, px
}

// TestNetwork_Cut resets the connections to the broker, and loses replies to what it has done.
func TestNetwork_Cut(t *testing.T) {
	cluster, px := behindProxy(t)
	cut := 0
	through := e2e.Settings{"sink.properties.bootstrap.servers": px.Addr()}
	e2e.CutSink(t, e2e.Kafka{Cluster: cluster}, servers.Shared(t, servers.FlavourMariaDB), through, func(r *rand.Rand, round int) bool {
		if round%3 == 0 {
			cut += px.Cut()
		} else {
			px.LoseReply("cdcsync.", 1+r.IntN(2)) // in a request with the transactional id
		}
		return px.Lost() > 0
	}, func() { px.LoseReply("", 0) })
	t.Logf("%d connections cut, %d replies lost", cut, px.Lost())
	if px.Lost() == 0 {
		t.Error("no reply was lost")
	}
}
