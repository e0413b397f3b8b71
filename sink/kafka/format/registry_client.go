package format

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/cdcsync/cdcsync/sink"
)

// registryTimeout is for one request.
const registryTimeout = 10 * time.Second

// A registry finds the numbers of schemas.
type registry struct {
	client     *sr.Client
	kind       sr.SchemaType
	lookupOnly bool

	mu    sync.Mutex
	known map[wanted]version
}

// A wanted schema is one as it is without regard to earlier versions of its subject.
type wanted struct{ subject, text string }

// A version is a schema that the registry has.
type version struct {
	id      int
	history string // the latest version of the subject that it was made to follow; empty: it is the first
}

// newRegistry opens nothing: the first request does.
func newRegistry(c RegistryConfig, kind sr.SchemaType) (*registry, error) {
	var urls []string
	for address := range strings.SplitSeq(c.URL, ",") {
		urls = append(urls, strings.TrimSpace(address))
	}
	// Requests are rare: connections are not kept.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS, DisableKeepAlives: true}
	options := []sr.ClientOpt{sr.URLs(urls...), sr.UserAgent("cdcsync"), sr.HTTPClient(&http.Client{Timeout: registryTimeout, Transport: transport})}
	if c.Username != "" {
		options = append(options, sr.BasicAuth(c.Username, c.Password.Reveal()))
	}
	if c.Token != "" {
		options = append(options, sr.BearerToken(c.Token.Reveal()))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("open schema registry: %w", err)
	}
	return &registry{client: client, kind: kind, lookupOnly: c.LookupOnly, known: map[wanted]version{}}, nil
}

// resolve returns the number of a schema, and registers it if it is not there. spell writes it in such a way that it can
// follow an earlier version, or be the first when there is none.
func (r *registry) resolve(ctx context.Context, subject string, spell func(history string) (string, error)) (version, error) {
	first, err := spell("")
	if err != nil {
		return version{}, err
	}
	key := wanted{subject, first}
	r.mu.Lock()
	v, ok := r.known[key]
	r.mu.Unlock()
	if ok {
		return v, nil
	}
	latest, err := r.latest(ctx, subject)
	if err != nil {
		return v, err
	}
	v.history = latest.Schema.Schema
	text, err := spell(v.history)
	if err != nil {
		return v, fmt.Errorf("subject %s: %w", subject, err)
	}
	if v.id = latest.ID; text != v.history {
		if v.id, err = r.register(ctx, subject, sr.Schema{Schema: text, Type: r.kind}); err != nil {
			return v, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[key] = v
	return v, nil
}

// latest returns the latest version of a subject; none when there is none, or when it is of another kind of schema.
func (r *registry) latest(ctx context.Context, subject string) (sr.SubjectSchema, error) {
	s, err := r.client.SchemaByVersion(ctx, subject, -1)
	switch {
	case missing(err):
		return sr.SubjectSchema{}, nil
	case err != nil:
		return s, refused(subject, "read", err)
	case s.Type != r.kind:
		return sr.SubjectSchema{}, nil
	}
	return s, nil
}

func (r *registry) register(ctx context.Context, subject string, s sr.Schema) (id int, err error) {
	if !r.lookupOnly {
		if id, err = r.client.RegisterSchema(ctx, subject, s, -1, -1); err != nil {
			return 0, refused(subject, "register", err)
		}
		return id, nil
	}
	found, err := r.client.LookupSchema(ctx, subject, s)
	switch {
	case missing(err):
		return 0, fmt.Errorf("subject %s of the schema registry has no such schema, and schemas are not to be registered from here: register this one, then resume the table: %s",
			subject, s.Schema)
	case err != nil:
		return 0, refused(subject, "read", err)
	}
	return found.ID, nil
}

// missing says that there is no such subject, version or schema. Another 404 is of an address that is no registry's.
func missing(err error) bool {
	var e *sr.ResponseError
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound && e.ErrorCode/100 == http.StatusNotFound
}

// refused says what to do about an error of the registry.
func refused(subject, verb string, err error) error {
	var e *sr.ResponseError
	what := fmt.Sprintf("%s schema of subject %s", verb, subject)
	if !errors.As(err, &e) {
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return fmt.Errorf("%s: the schema registry's certificate is not trusted: %w", what, err)
		}
		return fmt.Errorf("%s: the schema registry does not answer: %w: %w", what, err, sink.ErrTransient)
	}
	said := brief(e.Error())
	switch {
	case e.StatusCode == http.StatusConflict:
		return fmt.Errorf("%s: the new shape of the table is not compatible with the versions that the subject has (%s); if its readers can do with the new schema, "+
			`set the subject's level to NONE (PUT /config/%s {"compatibility":"NONE"}; Apicurio wants that of all subjects: PUT /config) and resume the table; `+
			"if not, give the table another topic. "+
			"If several tables share the subject, choose schema.registry.subject.name.strategy TopicRecordNameStrategy", what, said, subject)
	case e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: the schema registry refuses the user (%d %s): check schema.registry.username and its permissions on the subject, then resume the table",
			what, e.StatusCode, said)
	case e.StatusCode >= http.StatusInternalServerError, e.StatusCode == http.StatusTooManyRequests, e.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("%s: the schema registry fails (%d %s): %w", what, e.StatusCode, said, sink.ErrTransient)
	case e.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: there is no schema registry at its address (404): check the path in schema.registry.url", what)
	}
	return fmt.Errorf("%s: the schema registry refuses it (%d %s)", what, e.StatusCode, said)
}

// brief cuts what a registry says: some tell the whole schema.
func brief(text string) string {
	const limit = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}
