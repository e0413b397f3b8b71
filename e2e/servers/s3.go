package servers

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The key of S3's server, and any region.
const (
	S3Key    = "cdc"
	S3Secret = "secretsecret"
	S3Region = "us-east-1"
)

// S3 starts an object store with the bucket lake, which ends with the test, and returns its address.
func S3(t testing.TB) string {
	t.Helper()
	dir, port := beside(t, "s3.sh", nil)
	if err := os.Mkdir(filepath.Join(dir, "data", "lake"), 0o700); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// IcebergRESTOn starts an Iceberg REST catalog over the bucket lake of an object store, which ends with the test, and
// returns its host:port.
func IcebergRESTOn(t testing.TB, s3 string) string {
	t.Helper()
	_, port := beside(t, "iceberg-rest.sh", []string{
		"CATALOG_WAREHOUSE=s3://lake/warehouse", "CATALOG_IO__IMPL=org.apache.iceberg.aws.s3.S3FileIO", "CATALOG_S3_ENDPOINT=" + s3,
		"CATALOG_S3_PATH__STYLE__ACCESS=true", "AWS_REGION=" + S3Region, "CATALOG_S3_ACCESS__KEY__ID=" + S3Key, "CATALOG_S3_SECRET__ACCESS__KEY=" + S3Secret,
	})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// beside starts a server that is no database in a folder of its own.
func beside(t testing.TB, script string, env []string) (dir string, port int) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not with -short")
	}
	if err := run(script, nil, "install"); err != nil {
		t.Fatalf("install %s: %v", script, err)
	}
	dir = Folder(t, "beside")
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if err := run(script, env, "start", dir, strconv.Itoa(port)); err != nil {
		t.Fatalf("start %s: %v", script, err)
	}
	t.Cleanup(func() {
		if err := run(script, nil, "stop", dir, "KILL"); err != nil {
			t.Errorf("stop %s: %v", script, err)
		}
	})
	return dir, port
}
