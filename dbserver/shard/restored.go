package shard

import (
	"encoding/binary"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

// ErrUncertified answers Certify for a replica that is not what was certified.
var ErrUncertified = errors.New("the replica is not what was certified")

// Certify prepares a replica in an engine that a restore is about to put in place. at is
// where the log of the shard's leader ended at the cut; everything up to there was
// acknowledged or could not be taken back any more, and nothing else was part of the
// state at that moment.
//
// A replica that was in sync has all of it. It may have more: records of an earlier
// leader, which the cluster had taken back, and which no leader had contradicted yet. They
// go, or the replica would bring them back when it leads. Of one that was not in sync
// only what it has applied is known to be part of the state. From now on the replica
// knows at, and does not lead before its log has it. ErrNoShard if the engine has none
// of the shard, ErrUncertified if it cannot have been in sync. It is durable when the
// engine has been closed, or synced.
func Certify(e *engine.Engine, name string, at Position, inSync bool) error {
	s, err := Open(Env{Engine: e}, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.certify(at, inSync); err != nil {
		return fmt.Errorf("shard %s: %w", name, err)
	}
	return nil
}

// certify is called with mu held, or the only reference.
func (s *Shard) certify(at Position, inSync bool) error {
	m := s.meta
	end := m.committed
	if inSync {
		known, err := s.has(at)
		if err != nil {
			return err
		}
		if m.copying || !known || m.committed > at.Seq {
			return fmt.Errorf("%w: it was in sync at %s, but its log ends at %s, applied up to %d, copying: %v", ErrUncertified, at, m.position(), m.committed, m.copying)
		}
		end = at.Seq
	}
	b, tail := s.env.Engine.NewBatch(), s.tail
	if end < m.seq {
		var err error
		if tail, err = s.takeBack(b, &m, end); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if err := b.Set(s.keys.restored(), encodeCertified(at)); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := s.store(b, m, false); err != nil {
		return err
	}
	s.tail, s.certified = tail, at
	return nil
}

func encodeCertified(p Position) []byte {
	return binary.AppendUvarint(p.Tenure.append([]byte{Format}), p.Seq)
}

// readCertified reads what Certify has left.
func (s *Shard) readCertified() (p Position, err error) {
	value, found, err := s.env.Engine.Get(s.keys.restored())
	if err != nil || !found {
		return p, err
	}
	if len(value) == 0 || value[0] != Format {
		return p, fmt.Errorf("position at the cut: %w", errMetaFormat)
	}
	d := decoder{b: value[1:]}
	p.Term, p.Reboot, p.Seq = d.number(), d.number(), d.number()
	if d.short || len(d.b) > 0 {
		return p, fmt.Errorf("position at the cut: %w", errMetaFormat)
	}
	return p, nil
}

// Replicas says where every replica in an engine stands, in which nothing changes. leaders
// has the numbers at which the shards' leaders ended, as far as they have said so.
func Replicas(e *engine.Engine, leaders map[string]uint64) (map[string]dbclient.PieceReplica, error) {
	names, err := Names(e)
	if err != nil {
		return nil, err
	}
	all := make(map[string]dbclient.PieceReplica, len(names))
	for _, name := range names {
		s, err := Open(Env{Engine: e}, name)
		if err != nil {
			return nil, err
		}
		seq, stated := leaders[name]
		if all[name], err = s.inPiece(seq, stated); err != nil {
			return nil, fmt.Errorf("shard %s: %w", name, err)
		}
	}
	return all, nil
}

func (s *Shard) inPiece(seq uint64, stated bool) (dbclient.PieceReplica, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.meta
	r := dbclient.PieceReplica{
		Last:      dbclient.Position{Tenure: dbclient.Tenure(m.last), Seq: m.seq},
		Committed: m.committed, Copying: m.copying,
	}
	if !stated || m.copying {
		return r, nil
	}
	tenure, known, err := s.tenureAt(seq)
	if known {
		at := dbclient.Tenure(tenure)
		r.At = &at
	}
	return r, err
}
