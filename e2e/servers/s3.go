package servers

import (
	"os"
	"path/filepath"
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
	p := beside(t, "s3.sh", nil)
	if err := os.Mkdir(filepath.Join(p.Dir, "data", "lake"), 0o700); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return "http://" + p.Addr
}

// IcebergRESTOn starts an Iceberg REST catalog over the bucket lake of an object store, which ends with the test, and
// returns its host:port.
func IcebergRESTOn(t testing.TB, s3 string) string {
	t.Helper()
	return beside(t, "iceberg-rest.sh", []string{
		"CATALOG_WAREHOUSE=s3://lake/warehouse", "CATALOG_IO__IMPL=org.apache.iceberg.aws.s3.S3FileIO", "CATALOG_S3_ENDPOINT=" + s3,
		"CATALOG_S3_PATH__STYLE__ACCESS=true", "AWS_REGION=" + S3Region, "CATALOG_S3_ACCESS__KEY__ID=" + S3Key, "CATALOG_S3_SECRET__ACCESS__KEY=" + S3Secret,
	}).Addr
}

// beside starts a server that is no database, which ends with the test.
func beside(t testing.TB, script string, env []string) *Process {
	t.Helper()
	skipShort(t)
	p, err := spawn(script, nil, env)
	if err != nil {
		t.Fatalf("start %s: %v", script, err)
	}
	p.end(t)
	return p
}
