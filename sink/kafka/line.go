package kafka

import "sync"

// A line is the Txns that write by one producer, in the order in which they began: Kafka transactions of one producer come
// one after the other, and in this order alone. A Txn that overtook the one before would wait for its commit for ever, and
// write newer rows first.
type line struct {
	mu     sync.Mutex // guards places
	places []*place
}

// A place in a line.
type place struct {
	first chan struct{} // closed when no one is ahead any more
}

// join returns a place at the end.
func (l *line) join() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &place{first: make(chan struct{})}
	if len(l.places) == 0 {
		close(p.first)
	}
	l.places = append(l.places, p)
	return p
}

// leave gives a place up, wherever it is. One that is not in the line is none.
func (l *line) leave(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.places {
		if q != p {
			continue
		}
		l.places = append(l.places[:i], l.places[i+1:]...)
		if i == 0 && len(l.places) > 0 {
			close(l.places[0].first)
		}
		return
	}
}

// isFirst says that no one is ahead.
func (p *place) isFirst() bool {
	select {
	case <-p.first:
		return true
	default:
		return false
	}
}
