package shard

import (
	"errors"
	"fmt"
	"slices"

	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// replica is one replica as the shard's mu protects it: its storage, its leadership if it
// leads, and the copy that is brought to it. mu is held while its methods run.
type replica struct {
	st   *storage
	lead *leadership // nil: another replica leads, or none
	in   *incoming

	doubts *doubts // the shard's; empty unless it leads
}

// leads is nil unless this replica leads, in the tenure that it has promised last: a later
// promise ends that.
func (r *replica) leads() error {
	if r.lead == nil || failpoint.Off("leader-takes-nothing") {
		return nil
	}
	return fmt.Errorf("shard %s: %w in tenure %s", r.st.name, ErrLeads, r.lead.tenure)
}

// promise refuses, from now on, everything of tenures before t. A later promise ends the
// leadership here.
func (r *replica) promise(t Tenure) error {
	switch c := t.Compare(r.st.meta.promised); {
	case c < 0 && !failpoint.Off("older-tenure-refused"):
		return fmt.Errorf("shard %s: tenure %s: %w: %s", r.st.name, t, ErrOldTenure, r.st.meta.promised)
	case c == 0:
		return nil
	}
	r.follow()
	m := r.st.meta
	m.promised = t
	return r.st.storeMeta(m, false)
}

// overrule promises t in the place of a later tenure, and takes back what the log has of
// tenures after t.
func (r *replica) overrule(t Tenure) error {
	r.follow()
	m, tail, b := r.st.meta, r.st.tail, r.st.engine.NewBatch()
	if i := slices.IndexFunc(tail, func(o Record) bool { return o.Tenure.Compare(t) > 0 }); i >= 0 {
		var err error
		if tail, err = r.st.takeBack(b, &m, tail[i].Seq-1); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	m.promised = t
	if err := r.st.store(b, m, false); err != nil {
		return err
	}
	r.st.tail = tail
	return nil
}

// follow ends the leadership. Writes in flight end as their Quorum says.
// Transactions that are not prepared are gone.
func (r *replica) follow() {
	r.lead = nil
	r.doubts.end()
}

// accept appends what a leader sends, takes back what contradicts it, and applies what is
// committed, in one batch: a crash leaves all of it or nothing.
func (r *replica) accept(in Batch) error {
	if err := r.promise(in.Tenure); err != nil {
		return err
	}
	if err := r.leads(); err != nil {
		return err
	}
	known, err := r.st.has(in.Prev)
	if err != nil {
		return err
	}
	if !known && !failpoint.Off("gap-refused") || r.st.meta.copying {
		return fmt.Errorf("shard %s: %w: it ends at %s, wanted is %s", r.st.name, ErrGap, r.st.meta.position(), in.Prev)
	}
	fresh, err := r.fresh(in)
	if err != nil {
		return err
	}
	m := r.st.meta
	b := r.st.engine.NewBatch()
	tail, n, err := r.add(b, &m, in, fresh)
	if err != nil || n == 0 && len(fresh) == 0 {
		return errors.Join(err, b.Close())
	}
	if err := r.st.store(b, m, false); err != nil {
		return fmt.Errorf("shard %s: accept up to %d: %w", r.st.name, m.seq, err)
	}
	r.st.tail = tail
	r.st.applied(n)
	if len(fresh) > 0 {
		r.in.aside = false // add has emptied it
		// A copy has been overtaken, also one of which nothing has come yet: its late parts
		// would put the replica back to where the copy began.
		if !failpoint.Off("records-end-a-copy") {
			r.in.received.taking = false
		}
	}
	return nil
}

// add adds to a batch what accept does. It returns the tail after it, and how many of its
// records the batch applies.
func (r *replica) add(b *engine.Batch, m *meta, in Batch, fresh []Record) (tail []Record, n int, err error) {
	tail = r.st.tail
	if len(fresh) > 0 && fresh[0].Seq <= m.seq {
		if tail, err = r.st.takeBack(b, m, fresh[0].Seq-1); err != nil {
			return nil, 0, err
		}
	}
	for _, record := range fresh {
		if err := r.st.addRecord(b, m, record); err != nil {
			return nil, 0, err
		}
	}
	tail = append(tail[:len(tail):len(tail)], fresh...)
	n = in.commits(*m)
	for _, record := range tail[:n] {
		if err := r.st.addData(b, m, record); err != nil {
			return nil, 0, err
		}
	}
	if r.in.aside && len(fresh) > 0 { // a replica that goes on from the log needs no copy
		return tail, n, r.st.emptyArea(b, r.st.area.other())
	}
	return tail, n, nil
}

// fresh are the records that this replica does not have; the first of them may
// contradict some that it has.
func (r *replica) fresh(in Batch) ([]Record, error) {
	for i, record := range in.Records {
		known, err := r.st.has(record.position())
		if err != nil {
			return nil, err
		}
		if !known {
			return in.Records[i:], nil
		}
	}
	return nil, nil
}

// begin makes the replica lead in tenure t.
func (r *replica) begin(t Tenure, q Quorum, alone bool) error {
	if r.st.meta.copying {
		return fmt.Errorf("shard %s: cannot lead: it is an unfinished copy", r.st.name)
	}
	if end := r.st.meta.position(); end.Compare(r.st.certified) < 0 {
		return fmt.Errorf("shard %s: cannot lead: it was restored from a replica that was behind at the cut, and ends at %s; what was acknowledged ended at %s", r.st.name, end, r.st.certified)
	}
	if err := r.promise(t); err != nil {
		return err
	}
	if err := r.in.emptyAside(); err != nil {
		return err
	}
	r.follow()
	doubts, decided, err := r.st.inheritance()
	if err == nil {
		err = r.doubts.inherit(doubts)
	}
	if err != nil {
		return fmt.Errorf("shard %s: cannot lead: %w", r.st.name, err)
	}
	r.lead = &leadership{tenure: t, quorum: q, alone: alone, begun: r.st.meta.seq, pending: map[string]tentative{}, doubts: r.doubts, decided: decided}
	return nil
}

// newest is the highest time of the clock that the replica has, applied or not.
func (r *replica) newest() uint64 {
	newest := r.st.meta.revision
	for _, record := range r.st.tail {
		newest = max(newest, record.Time)
	}
	return newest
}

// commit applies the records up to seq.
func (r *replica) commit(seq uint64) (committed uint64, err error) {
	done, err := r.st.apply(min(seq, r.st.meta.seq))
	if r.lead != nil {
		r.lead.applied(done)
	}
	return r.st.meta.committed, err
}

// decides is nil if what is decided under a leadership may be numbered.
func (r *replica) decides(under *leadership) error {
	// What was decided under an earlier one met other documents, under locks that may be another's now. What the
	// recovery left in the log has no outcome in pending, so nothing is decided before it is applied.
	if r.lead == nil || r.lead != under && !failpoint.Off("part-belongs-to-a-leadership") || r.st.meta.committed < r.lead.begun {
		return notLeader(r.st.name)
	}
	return nil
}

// append numbers what was decided under a leadership as the leader's next record. The caller holds content, and the
// keys of documents that are changed. After it the changes are in this replica's log, and if it is alone
// also in its documents: one batch instead of two.
func (r *replica) append(under *leadership, w write) (seq uint64, err error) {
	if err := r.decides(under); err != nil {
		return 0, err
	}
	record := Record{Tenure: r.lead.tenure, Seq: r.st.meta.seq + 1, Time: w.time, Added: w.added, Changes: w.changes}
	fused := r.lead.alone && len(r.st.tail) == 0
	m := r.st.meta
	b := r.st.engine.NewBatch()
	if fused {
		err = r.st.addData(b, &m, record)
	}
	if err == nil {
		err = r.st.addRecord(b, &m, record)
	}
	if err != nil {
		return 0, errors.Join(err, b.Close())
	}
	if err := r.st.store(b, m, false); err != nil {
		return 0, err
	}
	if !fused {
		r.st.tail = append(r.st.tail, record)
	}
	if !fused || w.ofTransaction() {
		r.lead.note(record, w)
	}
	if fused && w.ofTransaction() {
		r.lead.applied([]Record{record})
	}
	return record.Seq, nil
}

// latest is the outcome for a key that no one has committed yet. found is false if the
// document is what the storage has. depends is the record of the outcome, if there is one.
func (r *replica) latest(key string) (d *document, depends uint64, found bool, err error) {
	if r.lead == nil {
		return nil, 0, false, nil
	}
	t, pending := r.lead.pending[key]
	switch {
	case r.lead.emptied > max(r.st.meta.committed, t.seq):
		return nil, r.lead.emptied, true, nil
	case pending && t.stored != nil:
		d, err = decodeDocument(t.stored)
		return d, t.seq, true, err
	case pending:
		return nil, t.seq, true, nil
	}
	return nil, 0, false, nil
}
