package shard

import (
	"crypto/rand"
	"errors"
	"fmt"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// CopyID names a copy that a leader brings. The leader numbers the copies of its tenure
// from 1; the replica makes up the session when the copy begins, and takes no part of it
// from a sender that does not show it.
type CopyID struct {
	Tenure  Tenure
	Number  uint64
	Session string
}

// CopyEnd is what a whole copy amounts to: where the replica stands then, and the sum of
// its entries as Checksum adds it up.
type CopyEnd struct {
	State State
	Sum   uint64
}

// incoming has the copy that is brought to this replica, beside what the replica has. The
// shard's content is held exclusively, and its mu, while its methods run.
type incoming struct {
	st       *storage
	aside    bool // the area that does not have the documents is not empty
	received received
}

// received is what has come of a copy.
type received struct {
	CopyID
	taking bool // it has begun, and neither ended nor been given up

	space  Space  // of the last entry
	last   string // its key: the highest of the space
	newest uint64 // highest revision time
	count  uint64 // of documents
	sum    uint64 // of all entries
}

// openIncoming finds out whether a copy was given up by the process before.
func openIncoming(st *storage) (*incoming, error) {
	aside, err := st.hasAside()
	return &incoming{st: st, aside: aside}, err
}

// begin prepares for a copy.
func (in *incoming) begin(t Tenure, n uint64) (session string, err error) {
	if in.received.Tenure == t && n <= in.received.Number && !failpoint.Off("late-copy-refused") {
		return "", fmt.Errorf("%w: copy %d comes after copy %d", ErrGap, n, in.received.Number)
	}
	if err := in.emptyAside(); err != nil {
		return "", err
	}
	session = rand.Text()
	in.received = received{CopyID: CopyID{Tenure: t, Number: n, Session: session}, taking: true}
	return session, nil
}

// emptyAside removes what has come of a copy that was given up.
func (in *incoming) emptyAside() error {
	if !in.aside {
		return nil
	}
	b := in.st.engine.NewBatch()
	if err := in.st.emptyArea(b, in.st.area.other()); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := in.st.store(b, in.st.meta, false); err != nil {
		return err
	}
	in.aside, in.received.taking = false, false
	return nil
}

// expects is an error unless this is the copy that is being brought. One begun before a
// restart is none: the leader begins another.
func (in *incoming) expects(c CopyID) error {
	if !in.received.taking || in.received.CopyID != c && !failpoint.Off("copy-of-session") {
		return fmt.Errorf("%w: copy %d has not begun, or under another session", ErrGap, c.Number)
	}
	return nil
}

// add stores entries of a copy.
func (in *incoming) add(c CopyID, entries []Entry) error {
	if err := in.expects(c); err != nil {
		return err
	}
	next := in.received
	for _, e := range entries {
		if err := next.add(e); err != nil {
			in.received.taking = false
			return err
		}
	}
	b := in.st.engine.NewBatch()
	for _, e := range entries {
		if err := b.Set(in.st.keys.entry(e.Space, in.st.area.other(), e.Key), e.Value); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	in.aside = true // also if the outcome is not known
	if err := in.st.store(b, in.st.meta, false); err != nil {
		return err
	}
	in.received = next
	return nil
}

// add counts an entry that has come.
func (r *received) add(e Entry) error {
	if e.Space < r.space || e.Space == r.space && e.Key <= r.last {
		return apierror.New(apierror.BadParameter, "%q of space %c comes after %q of %c", e.Key, e.Space, r.last, r.space)
	}
	time, err := e.check()
	if err != nil {
		return err
	}
	if e.Space == Documents {
		r.count++
	}
	r.space, r.last, r.newest = e.Space, e.Key, max(r.newest, time)
	r.sum += e.sum()
	return nil
}

// end puts the copy in the place of what the replica has, not yet durably. The batch that does it
// comes in the engine's log before everything that builds on it.
func (in *incoming) end(c CopyID, end CopyEnd) error {
	if err := in.expects(c); err != nil {
		return err
	}
	in.received.taking = false // also after an error: the leader begins another copy
	m, err := in.received.whole(end)
	if err != nil {
		return err
	}
	m.promised, m.documents = in.st.meta.promised, in.st.area.other()
	b := in.st.engine.NewBatch()
	if err := errors.Join(in.st.emptyArea(b, in.st.area), b.DeleteRange(in.st.keys.log(0), in.st.keys.of(kindLog+1, 0))); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := in.st.store(b, m, false); err != nil {
		return err
	}
	in.st.area, in.aside, in.st.tail = m.documents, false, nil
	return nil
}

// whole compares what has come with what the leader has read, and gives the meta of a
// replica that has it.
func (r *received) whole(end CopyEnd) (m meta, err error) {
	st := end.State
	if (st.Count != r.count || end.Sum != r.sum) && !failpoint.Off("copy-is-whole") {
		return m, apierror.New(apierror.BadParameter, "%d documents with the sum %016x have come, the end of the copy says %d with %016x", r.count, r.sum, st.Count, end.Sum)
	}
	if st.Last.Tenure.Compare(r.Tenure) > 0 || st.Last.Seq > maxSeq || (st.Last.Seq == 0) != (st.Last.Tenure == Tenure{}) {
		return m, apierror.New(apierror.BadParameter, "a copy of tenure %s cannot end at %s", r.Tenure, st.Last)
	}
	m = newMeta()
	if st.Revision != "" {
		if m.revision, err = parseRevision(st.Revision); err != nil {
			return m, apierror.New(apierror.BadParameter, "%w", err)
		}
	}
	if m.revision < r.newest || m.revision > maxTime {
		return m, apierror.New(apierror.BadParameter, "the end of the copy says that its highest revision is %q, and it has a document of %q", st.Revision, revision(r.newest))
	}
	m.last, m.seq, m.committed, m.count = st.Last.Tenure, st.Last.Seq, st.Last.Seq, st.Count
	m.log = logSpan{first: m.seq + 1, middle: m.seq + 1, beforeFirst: m.last, beforeHalf: m.last}
	return m, nil
}
