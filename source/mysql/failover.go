package mysql

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/binlog"
	"github.com/cdcsync/cdcsync/source"
)

const (
	// standstill is how long another server may lack what was read without coming any nearer: a replica that has just been
	// promoted may still be applying what it had received.
	standstill = 10 * time.Second
	// catchUp is how long one attempt waits for a server that does come nearer.
	catchUp = time.Minute
)

// failOver finds the place in the log of another server than the one that was read: the GTIDs name it. The server must have
// all that was read, or the sink would keep rows that the source never had.
func (r *resumption) failOver(ctx context.Context) error {
	s := r.s
	all := append([]binlog.Position{r.at}, r.seen...)
	for _, p := range all {
		if !named(p) {
			return s.noGTIDs(p)
		}
	}
	if !s.server.mariadb() && !s.server.gtids() {
		return fmt.Errorf("%w: %s was read of server %s, and this server (%s) has gtid_mode=%s, so the place in its log is not known: "+
			"set gtid_mode=ON there, or copy the tables again", source.ErrPositionLost, r.at, r.at.Server, s.identity(), s.server.vars["gtid_mode"])
	}
	read := r.at.GTIDs
	for _, q := range r.seen {
		read = read.Union(q.GTIDs)
	}
	if err := r.await(ctx, read); err != nil {
		return err
	}
	if err := r.checkLogged(ctx); err != nil {
		return err
	}
	next, err := r.shifted(ctx, binlog.Behind(all...))
	if err != nil {
		return err
	}
	for _, x := range r.at.Prepared {
		s.log.Warn("lost the place of a prepared XA transaction with the server: its outcome will stop all tables", "xid", x.XID, "server", r.at.Server)
	}
	r.at = next
	return nil
}

// shifted is the position on this server. Its rows are to order behind all that was read before, whatever the numbers of its
// files are.
func (r *resumption) shifted(ctx context.Context, shift uint64) (binlog.Position, error) {
	p := r.s.position("", 0)
	p.Shift, p.GTIDs, p.Migrations = shift, r.at.GTIDs, r.at.Migrations
	end, err := r.s.head(ctx, r.c)
	if err != nil {
		return p, err
	}
	number, err := binlog.FileNumber(end.file)
	if err != nil {
		return p, err
	}
	if shift+number > binlog.MaxShift {
		return p, fmt.Errorf("%w: after this failover log files would have numbers from %d on, and changes can be put in order up to %d: copy the tables again",
			source.ErrPositionLost, shift+number, uint64(binlog.MaxShift))
	}
	return p, nil
}

// await waits until the server has all that was read.
func (r *resumption) await(ctx context.Context, read binlog.GTIDSet) error {
	began, state := time.Now(), ""
	for moved := began; ; {
		lacks, err := r.lack(ctx, read)
		if err != nil || lacks.missing.Empty() {
			return err
		}
		if lacks.state != state {
			state, moved = lacks.state, time.Now()
		}
		switch {
		case time.Since(moved) > standstill:
			return r.behind(lacks.missing)
		case time.Since(began) > catchUp:
			return fmt.Errorf("%w: server %s lacks transactions %s, which were read of server %s, and is catching up", source.ErrTransient, r.s.identity(), lacks.missing, r.at.Server)
		}
		if err := r.c.exec(ctx, "DO SLEEP(0.1)"); err != nil {
			return err
		}
	}
}

func (r *resumption) behind(missing binlog.GTIDSet) error {
	return fmt.Errorf("%w: server %s is behind what was read: it lacks transactions %s. If it is a replica that still gets them, start again "+
		"when it has them; if they were lost in a failover, the sink may have their rows: copy the tables again",
		source.ErrPositionLost, r.s.identity(), missing)
}

// A lacking is what a server does not have.
type lacking struct {
	missing binlog.GTIDSet
	state   string // of the server: another one when it has got more
}

// lack finds what the server does not have of what was read. That it never will is an error.
func (r *resumption) lack(ctx context.Context, read binlog.GTIDSet) (lacking, error) {
	if r.s.server.mariadb() {
		return r.s.mariadbLacks(ctx, r.c, read)
	}
	executed, err := r.s.executed(ctx, r.c)
	if err != nil {
		return lacking{}, err
	}
	missing := read.Subtract(executed)
	if !read.Empty() && missing.Equal(read) {
		return lacking{}, fmt.Errorf("%w: server %s has another history: it has executed %s, and %s was read: point the pipeline to a server of "+
			"the same replication, or copy the tables again", source.ErrPositionLost, r.s.identity(), executed, read)
	}
	return lacking{missing, executed.String()}, nil
}

// mariadbLacks looks into the state of the log, which knows transactions by the server that wrote them: numbers alone would
// take another server's transactions for those that were read. What a replica has applied it knows as well, without having
// it in its log, in domains that have been quiet since it was set up.
func (s *Source) mariadbLacks(ctx context.Context, c *conn, read binlog.GTIDSet) (lacking, error) {
	state, applied, err := s.mariadbState(ctx, c)
	if err != nil {
		return lacking{}, err
	}
	missing := new(binlog.MariaDBSet)
	for _, g := range read.(*binlog.MariaDBSet).All() {
		switch {
		case state.Has(g) || slices.Contains(applied, g) || applied.Has(g) && state.Last(g.Domain) == 0:
		case max(state.Last(g.Domain), applied.Last(g.Domain)) >= g.Number:
			return lacking{}, fmt.Errorf("%w: server %s has another history: its log has domain %d up to number %d, but not %d-%d-%d, which was read: "+
				"point the pipeline to a server of the same replication, or copy the tables again",
				source.ErrPositionLost, s.identity(), g.Domain, state.Last(g.Domain), g.Domain, g.ServerID, g.Number)
		default:
			missing.Add(g)
		}
	}
	return lacking{missing, fmt.Sprint(state, applied)}, nil
}

// mariadbState asks for what is in the log, and for what was applied as a replica.
func (s *Source) mariadbState(ctx context.Context, c *conn) (state, applied binlog.MariaDBState, err error) {
	rows, err := c.query(ctx, "SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos")
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the GTIDs of the log: %w", err)
	}
	if state, err = binlog.ParseMariaDBState(compact(rows[0][0])); err != nil {
		return nil, nil, err
	}
	applied, err = binlog.ParseMariaDBState(compact(rows[0][1]))
	return state, applied, err
}

// checkLogged makes sure that what is to be read next is in the server's log.
func (r *resumption) checkLogged(ctx context.Context) error {
	s := r.s
	if !s.server.mariadb() {
		return s.checkPurged(ctx, r.c, r.at)
	}
	state, applied, err := s.mariadbState(ctx, r.c)
	if err != nil {
		return err
	}
	for _, g := range applied {
		if last := state.Last(g.Domain); last < g.Number && !r.at.GTIDs.ContainsGTID(g) {
			return fmt.Errorf("%w: server %s has applied transactions up to %d-%d-%d that it did not log (its log has domain %d up to number %d; log_slave_updates is %s): "+
				"set log_slave_updates there and copy the tables again", source.ErrPositionLost, s.identity(), g.Domain, g.ServerID, g.Number, g.Domain, last, s.server.vars["log_slave_updates"])
		}
	}
	return nil
}
