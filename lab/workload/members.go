package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// several is a kind whose documents are in several collections.
type several interface {
	members() int
}

// membersOf is how many collections a kind has.
func membersOf(k kind) int {
	if s, is := k.(several); is {
		return s.members()
	}
	return 1
}

// memberName is the name of one of the collections. The first has the workload's.
func memberName(collection string, member int) string {
	if member == 1 {
		return collection
	}
	return fmt.Sprintf("%s_%d", collection, member)
}

// openMembers creates the collections but the first, which is there. It may be repeated.
func (s *session) openMembers(ctx context.Context) error {
	for member := 2; member <= s.members; member++ {
		name := memberName(s.collection, member)
		err := createCollection(ctx, s.at(), name, s.spec)
		if errors.Is(err, client.ErrExists) {
			var n int64
			if n, err = s.db().Count(ctx, name); err == nil && n > 0 {
				err = fmt.Errorf("collection %s has %d documents of something else: drop it", name, n)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readMembers reads all collections of a kind. Keys have the number of the collection: see at.
func readMembers(ctx context.Context, c *client.Client, collection string, members int) (State, error) {
	state := State{}
	for member := 1; member <= members; member++ {
		one, err := Read(ctx, c.Database(""), memberName(collection, member))
		if err != nil {
			return nil, err
		}
		for key, doc := range one {
			state[at(member, key)] = doc
		}
	}
	return state, nil
}

// txnModel gives transactions in elle-cli's model rw-register: a write is one of the id of its transaction. For the export of states a
// read of one document stands alone.
func txnModel() (string, history.Translate) {
	return "rw-register", func(o history.Op) (string, any, any, bool) {
		return translated(o, func(s step) any { return s.id() }, func(s step, id string) []any {
			if s.Do == writing {
				return micro("w", s.Key, id)
			}
			return nil
		})
	}
}

// id is the version that a step has read; nil if there was nothing.
func (s step) id() any {
	if v, err := versionOf(s.Doc); err == nil && v.ID != "" {
		return v.ID
	}
	return nil
}

// translated gives a transaction in a model. seen is what a read saw there, write what a write of the transaction with an id is.
func translated(o history.Op, seen func(step) any, write func(s step, id string) []any) (string, any, any, bool) {
	if len(o.Value) == 0 { // a document of a state
		return "txn", micro("r", o.Key, nil), micro("r", o.Key, seen(step{Doc: o.Result})), true
	}
	var t txn
	if err := json.Unmarshal(o.Value, &t); err != nil {
		return "", nil, nil, false
	}
	asked, answered := []any{}, []any{}
	for _, s := range t.Steps {
		if s.Do == writing {
			w := write(s, t.ID)
			asked, answered = append(asked, w...), append(answered, w...)
			continue
		}
		asked, answered = append(asked, micro("r", s.Key, nil)...), append(answered, micro("r", s.Key, seen(s))...)
	}
	return "txn", asked, answered, true
}
