package kafka

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A rule says what the value of a property of the Java producer must be.
type rule func(value string) string // what is wrong with it, or empty

// knownProperties have the meaning that they have in Java.
var knownProperties = map[string]rule{ // read-only
	"bootstrap.servers": func(v string) string {
		if slices.Contains(brokers(v), "") {
			return "write HOST:PORT, several with ',' between them"
		}
		return ""
	},
	"client.id":         anyText,
	"transactional.id":  anyText,
	"security.protocol": oneText("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
	"sasl.mechanism":    oneText("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"),
	"sasl.jaas.config": func(v string) string {
		_, err := parseJAAS(v)
		if err != nil {
			return err.Error()
		}
		return ""
	},
	"sasl.oauthbearer.token.endpoint.url":   anyText,
	"sasl.oauthbearer.scope.claim.name":     anyText,
	"ssl.truststore.type":                   oneText("PEM"),
	"ssl.truststore.location":               anyText,
	"ssl.truststore.certificates":           anyText,
	"ssl.keystore.type":                     oneText("PEM"),
	"ssl.keystore.location":                 anyText,
	"ssl.keystore.certificate.chain":        anyText,
	"ssl.keystore.key":                      anyText,
	"ssl.endpoint.identification.algorithm": oneText("https", "HTTPS", ""),
	"compression.type":                      oneText("none", "gzip", "snappy", "lz4", "zstd"),
	"acks":                                  oneText("all", "-1"),
	"enable.idempotence":                    oneText("true"),
	"linger.ms":                             number(0, 60_000),
	"batch.size":                            number(1<<10, 1<<30),
	"max.request.size":                      number(1<<10, 1<<30),
	"delivery.timeout.ms":                   number(1_000, 3_600_000),
	"request.timeout.ms":                    number(1_000, 3_600_000),
	"transaction.timeout.ms":                number(10_000, 24*3_600_000),
	"metadata.max.age.ms":                   number(1_000, 3_600_000),
}

// ignoredProperties are often set, and do no harm.
var ignoredProperties = map[string]string{ // read-only
	"key.serializer":                        "key.format says how keys are written",
	"value.serializer":                      "value.format says how values are written",
	"retries":                               "sending is tried again until properties.delivery.timeout.ms is over",
	"buffer.memory":                         "write.buffer says how much memory records may take",
	"partitioner.class":                     "partition.strategy says which partition a record goes to",
	"max.in.flight.requests.per.connection": "the order of records does not depend on it here",
	"reconnect.backoff.ms":                  "the client has its own",
	"retry.backoff.ms":                      "the client has its own",
}

func anyText(string) string { return "" }

func oneText(allowed ...string) rule {
	return func(v string) string {
		if slices.Contains(allowed, v) {
			return ""
		}
		return "write " + strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" }), ", ")
	}
}

func number(least, most int64) rule {
	return func(v string) string {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < least || n > most {
			return "write a whole number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
		}
		return ""
	}
}

// checkProperties never repeats a value: it may be a secret.
func (c *Config) checkProperties(ps *problems) {
	if _, ok := c.Properties["bootstrap.servers"]; !ok {
		ps.say("properties.bootstrap.servers", "required: the brokers, as HOST:PORT, several with ',' between them")
	}
	for _, key := range sortedKeys(c.Properties) {
		check, ok := knownProperties[key]
		if !ok && ignoredProperties[key] == "" {
			ps.say("properties."+key, "is no property that is known here%s", hint(key))
		}
		if ok {
			if wrong := check(c.property(key)); wrong != "" {
				ps.say("properties."+key, "%s", wrong)
			}
		}
	}
	c.checkSASL(ps)
	c.checkTLS(ps)
}

// hint names the known properties that share the first word with key.
func hint(key string) string {
	word, _, _ := strings.Cut(key, ".")
	var like []string
	for _, known := range sortedKeys(knownProperties) {
		if strings.HasPrefix(known, word+".") {
			like = append(like, known)
		}
	}
	if len(like) == 0 {
		return ": topics have theirs under topic.properties, consumers' have no use"
	}
	return "; known are " + strings.Join(like, ", ")
}

// property is the value of a property, empty when it is not set.
func (c *Config) property(key string) string { return c.Properties[key].Reveal() }

// millis is a property in milliseconds, which was checked before.
func (c *Config) millis(key string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseInt(c.property(key), 10, 64)
	if err != nil {
		return otherwise
	}
	return time.Duration(n) * time.Millisecond
}

// size is a property in bytes, which was checked before.
func (c *Config) size(key string, otherwise int) int {
	n, err := strconv.Atoi(c.property(key))
	if err != nil {
		return otherwise
	}
	return n
}

// brokers reads bootstrap.servers.
func brokers(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
