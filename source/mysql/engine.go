package mysql

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/schema"
)

// refuseEngine says why a table of an engine cannot be captured: the rows of some are elsewhere, and change without a trace
// in this server's log.
func refuseEngine(name schema.Name, engine string) error {
	switch strings.ToUpper(engine) {
	case "MRG_MYISAM", "BLACKHOLE", "FEDERATED", "SPIDER", "CONNECT", "OQGRAPH", "SPHINX":
		return fmt.Errorf("its engine %s keeps no rows of its own, so the log does not tell of all that changes in it: exclude %s, and capture the tables that have the rows", engine, name)
	}
	return nil
}
