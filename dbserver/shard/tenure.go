package shard

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// Tenure is one time of leadership over a shard: the term that Plan gives it, and the reboot id
// of the leader in that term. A leader that starts again within its term begins another
// tenure, because it may have lost the last records that it had numbered. Two tenures of one
// term are always of one server, so tenures are ordered, and (tenure, number) names one record
// only.
type Tenure struct{ Term, Reboot uint64 }

// Compare orders tenures.
func (t Tenure) Compare(o Tenure) int {
	return cmp.Or(cmp.Compare(t.Term, o.Term), cmp.Compare(t.Reboot, o.Reboot))
}

func (t Tenure) String() string { return fmt.Sprintf("%d.%d", t.Term, t.Reboot) }

func (t Tenure) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, t.Term), t.Reboot)
}

// Position names a record. The zero position is before the first.
type Position struct {
	Tenure
	Seq uint64
}

// Compare says which of two logs that end at these positions wins: the one of the later tenure,
// and of two of one tenure the longer.
func (p Position) Compare(o Position) int {
	return cmp.Or(p.Tenure.Compare(o.Tenure), cmp.Compare(p.Seq, o.Seq))
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.Tenure, p.Seq) }
