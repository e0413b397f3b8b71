package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go"
	clickhouse "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/cdcsync/cdcsync/schema"
	"github.com/cdcsync/cdcsync/sink"
)

// The codes of ClickHouse's errors that are told apart by number (src/Common/ErrorCodes.cpp).
const (
	codeNoSuchColumn    = 16
	codeUnknownColumn   = 47
	codeTypeMismatch    = 53
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
	codeReadOnly        = 164
	codeTooManyParts    = 252
	codeTableDropped    = 218
	codeNoConversion    = 70
	codeNullRefused     = 349
	codeNoDefinition    = 390 // of a table to make another like it
	codeAccessDenied    = 497
	codeMemoryLimit     = 241
	codeKeyColumn       = 524
)

// passing are the codes of what may be over when the same is tried again: timeouts, limits of the server, lost connections
// between its parts, a write protection that somebody has switched on.
var passing = []int{ // read-only
	3, 32, 33, 40, 101, // the request was cut off or damaged on its way
	159, 160, 164, 198, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 254, 279, 285, 286, 289, 319, 335, 341, 364, 394, 425, 439, 473, 499,
	517, 529, 530, 571, 574, 606, 692, 700, 733, 745, 999, 1000,
}

// barred are the codes of a user that may not come in at all: no table's fault, and nothing that passes.
var barred = []int{192, 193, 194, 195, 516} // read-only

// A serverError is what the server answered.
type serverError struct {
	code int
	text string
}

// Error gives the server's text.
func (e *serverError) Error() string { return fmt.Sprintf("ClickHouse error %d: %s", e.code, e.text) }

// codeOf returns the server's code, 0 when it was not the server that refused.
func codeOf(err error) int {
	if e := (*serverError)(nil); errors.As(err, &e) {
		return e.code
	}
	return 0
}

// translate makes one kind of server error of those of both client libraries, and takes addresses, which may hold
// passwords, out of the others.
func translate(err error) error {
	if err == nil || codeOf(err) != 0 {
		return err
	}
	if e := (*clickhouse.Exception)(nil); errors.As(err, &e) {
		return &serverError{code: int(e.Code), text: tidy(e.Message)}
	}
	if e := (*ch.Exception)(nil); errors.As(err, &e) {
		return &serverError{code: int(e.Code), text: tidy(e.Message)}
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// tidy shortens the server's text to what people need of it.
func tidy(text string) string {
	text, _, _ = strings.Cut(text, "Stack trace:")
	text, _, _ = strings.Cut(text, " (version ")
	if _, rest, ok := strings.Cut(text, "DB::Exception: "); ok && strings.HasPrefix(text, "Code: ") {
		text = rest
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "DB::Exception: ")
	if len(text) > 1000 {
		text = text[:1000] + "..."
	}
	return strings.TrimSuffix(strings.ToValidUTF8(text, "?"), ".")
}

// A class says what to do about an error.
type class uint8

const (
	fatal   class = iota // stop all
	retry                // try again
	ofTable              // stop the table
)

// classify says what to do about an error of a statement or an insert. What the server refuses for no passing reason is
// taken to be the table's fault, so that one odd table does not stop the others.
func classify(err error) class {
	code := codeOf(err)
	switch {
	case errors.Is(err, sink.ErrFenced), slices.Contains(barred, code):
		return fatal
	case errors.As(err, new(*schema.TableError)):
		return ofTable
	case errors.Is(err, context.Canceled):
		return fatal
	case code == 0, slices.Contains(passing, code):
		return retry
	default:
		return ofTable
	}
}

// hint says how to mend what is wrong with a table, by the server's code.
func hint(code int) string {
	switch code {
	case codeUnknownTable, codeUnknownDatabase, codeTableDropped, codeNoDefinition:
		return "somebody dropped the ClickHouse table: copy the table again"
	case codeNoSuchColumn, codeUnknownColumn, codeTypeMismatch, codeNoConversion, codeNullRefused:
		return "somebody altered the ClickHouse table: give it its columns back, or copy the table again"
	case codeAccessDenied:
		return "grant the user SELECT, INSERT, CREATE, ALTER, DROP and TRUNCATE on the database, then resume the table"
	case codeTooManyParts:
		return "merges do not keep up: see system.merges, and raise parts_to_throw_insert of the table if it is small"
	case codeReadOnly:
		return "the user or its profile is readonly: set readonly to 0"
	case codeMemoryLimit:
		return "give the server more memory, or set block.size to less"
	case codeKeyColumn:
		return "ClickHouse cannot change a column of the sorting key: copy the table again"
	}
	return ""
}

// explain adds how to mend it to an error of the server.
func explain(err error) error {
	if h := hint(codeOf(err)); h != "" {
		return fmt.Errorf("%w; %s", err, h)
	}
	return err
}

// ofTableError is what a failed operation on one table is to the engine.
func ofTableError(n schema.Name, what string, err error) error {
	switch err = translate(err); classify(err) {
	case ofTable:
		if te := (*schema.TableError)(nil); errors.As(err, &te) {
			return err
		}
		return tableError(n, fmt.Errorf("%s: %w", what, explain(err)))
	case retry:
		return fmt.Errorf("%w: %s %s: %w", sink.ErrTransient, what, n, explain(err))
	default:
		return fmt.Errorf("%s %s: %w", what, n, err)
	}
}

// failed is what a failed operation on no table is to the engine.
func failed(what string, err error) error {
	err = translate(err)
	if classify(err) == retry {
		return fmt.Errorf("%w: %s: %w", sink.ErrTransient, what, explain(err))
	}
	return fmt.Errorf("%s: %w", what, explain(err))
}

func tableError(n schema.Name, err error) error { return &schema.TableError{Table: n, Err: err} }
