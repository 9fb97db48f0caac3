package shard

import (
	"encoding/binary"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
)

// ErrUncertified is returned for a replica that is not what was certified.
var ErrUncertified = errors.New("the replica is not what was certified")

// certify prepares the replica.
func (st *storage) certify(at Position, inSync bool) error {
	m := st.meta
	end := m.committed
	if inSync {
		known, err := st.has(at)
		if err != nil {
			return err
		}
		if m.copying || !known || m.committed > at.Seq {
			return fmt.Errorf("%w: it was in sync at %s, but its log ends at %s, applied up to %d, copying: %v", ErrUncertified, at, m.position(), m.committed, m.copying)
		}
		end = at.Seq
	}
	b, tail := st.engine.NewBatch(), st.tail
	if end < m.seq {
		var err error
		if tail, err = st.takeBack(b, &m, end); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if err := b.Set(st.keys.restored(), encodeCertified(at)); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := st.store(b, m, false); err != nil {
		return err
	}
	st.tail, st.certified = tail, at
	return nil
}

func encodeCertified(p Position) []byte {
	return binary.AppendUvarint(p.Tenure.append([]byte{layoutFormat}), p.Seq)
}

// readCertified reads what Certify has left.
func (st *storage) readCertified() (p Position, err error) {
	value, found, err := st.engine.Get(st.keys.restored())
	if err != nil || !found {
		return p, err
	}
	if len(value) == 0 || !knownFormat(value[0]) {
		return p, fmt.Errorf("position at the cut: %w", errMetaFormat)
	}
	d := decoder{b: value[1:]}
	p.Term, p.Reboot, p.Seq = d.number(), d.number(), d.number()
	if d.short || len(d.b) > 0 {
		return p, fmt.Errorf("position at the cut: %w", errMetaFormat)
	}
	return p, nil
}

func (st *storage) inPiece(seq uint64, stated bool) (dbclient.PieceReplica, error) {
	m := st.meta
	r := dbclient.PieceReplica{
		Last:      dbclient.Position{Tenure: dbclient.Tenure(m.last), Seq: m.seq},
		Committed: m.committed, Copying: m.copying,
	}
	if !stated || m.copying {
		return r, nil
	}
	tenure, known, err := st.tenureAt(seq)
	if known {
		at := dbclient.Tenure(tenure)
		r.At = &at
	}
	return r, err
}
