package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/history"
	"stasis/lab/reader"
	"stasis/lab/verdict"
	"stasis/lab/workload"
)

// finds demands that a workload has found something in a state.
func (s *scene) finds(found []verdict.Violation, name string, wants ...string) {
	s.Helper()
	require.True(s, slices.ContainsFunc(found, func(v verdict.Violation) bool {
		text, its := strings.CutPrefix(v.Text, name+": ")
		return its && v.Check == checkInstant && slices.ContainsFunc(wants, func(want string) bool { return strings.Contains(text, want) })
	}), "%s: want one of %q: %v", name, wants, found)
}

// Of each workload: what was acknowledged before a backup was asked for is missing in one that is older, and what began after it had
// returned is too late in one that is younger. Of a backup that was cut on one server later than on the others, bank, append and
// chain see effects without their causes, whenever it may have been taken, and those of transactions parts of them.
func TestBackupOfAnotherTime(t *testing.T) {
	inScene(t, func(s *scene) {
		for _, about := range workload.List() {
			if about.Name == "bank" || about.Name == "chain" { // they are there
				continue
			}
			w, err := workload.New(workload.Spec{Name: about.Name, Clients: 2, Replication: 1, Pace: 10 * time.Millisecond}, s.history)
			require.NoError(s, err)
			require.NoError(s, w.Setup(s.Context(), s.world.Clients()))
			s.loads = append(s.loads, w)
		}
		var a, b Subject
		s.run(func() { a, b = s.take("a"), s.take("b") })
		for _, sub := range []Subject{a, b} {
			_, found := s.judge(sub, s.pieces(sub))
			require.Empty(s, found)
		}
		older, younger := a, b
		older.Cut, younger.Cut = b.Cut, a.Cut
		_, missing := s.judge(older, s.pieces(older))
		_, late := s.judge(younger, s.pieces(younger))
		for _, w := range s.loads {
			s.finds(missing, w.Spec().Name, "missing: ", "undead: ")
			s.finds(late, w.Spec().Name, "too late: ")
		}

		torn, from := copied(s.T, s.pieces(a)), s.pieces(b)
		later := s.laterKeys(a, b)
		for _, name := range []string{"bank", "append"} {
			n := s.oneOfSome(from, later[name])
			put(s.T, torn[n:n+1], from[n:n+1], later[name]...)
		}
		put(s.T, torn, from, later["chain"][len(later["chain"])-1]) // the last one, everywhere: chain has two replicas, the others one
		for _, form := range inTransactions {
			var keys []string
			for i := range 8 {
				keys = append(keys, fmt.Sprintf(form, i))
			}
			n := s.oneOfSome(from, keys) // it was cut later
			put(s.T, torn[n:n+1], from[n:n+1], keys...)
		}
		certify(s.T, torn, nil)
		a.Cut = workload.Cut{} // it is not known when it was taken
		_, found := s.judge(a, torn)
		s.finds(found, "bank", "an effect without its cause", "not one instant")
		s.finds(found, "append", "an effect without its cause", "not one instant")
		s.finds(found, "chain", "a hole in the chain")
		for name := range inTransactions {
			s.finds(found, name, "a part of a transaction")
		}
	})
}

// inTransactions are the keys of documents that transactions write together with others.
var inTransactions = map[string]string{"transfers": "purse-%d", "together": "quarter-%d-1", "appends": "row-%d-0", "links": "head-%d"}

// laterKeys are the accounts, lists and inserts that were written between two backups, in order.
func (s *scene) laterKeys(a, b Subject) map[string][]string {
	keys := map[string][]string{}
	for _, o := range s.history.Ops() {
		if !o.Write() || o.Outcome != history.OK || o.BeginOrder < a.Cut.Returned.Order || o.EndOrder > b.Cut.Asked.Order {
			continue
		}
		if !slices.Contains(keys[o.Workload], o.Key) {
			keys[o.Workload] = append(keys[o.Workload], o.Key)
		}
	}
	return keys
}

// oneOfSome is the number of a piece that has some of the keys, and not all of them: each has one replica.
func (s *scene) oneOfSome(pieces []reader.Piece, keys []string) int {
	s.Helper()
	for i, p := range pieces {
		if n := len(records(s.T, p, keys...)); n > 0 && n < len(keys) {
			return i
		}
	}
	s.Fatalf("no server has some of %q", keys)
	return 0
}
