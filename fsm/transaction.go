package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Transaction is a set of operations that are applied together or not at all,
// the preconditions for that, and a client id under which its index can be
// asked for. It owns its bytes and never changes. The zero value is a malformed
// transaction: it may be applied like any other and answers [ErrMalformed].
type Transaction struct {
	raw           []byte // as written
	query         []byte // the operations in raw
	operations    []operation
	fault         error // of an operation; told only when the preconditions hold
	preconditions []precondition
	clientID      string
	limit         uint64 // of the weight of the tree that it leaves; 0: none
}

// ParseTransaction reads [operations], [operations, preconditions] or
// [operations, preconditions, client id]. The error is [ErrEnvelope] if the whole
// request is to be refused and [ErrMalformed], beside the zero Transaction, if
// only this transaction is to have the result 0. Operations that are malformed
// are no error here, because preconditions are answered first: Apply tells.
func ParseTransaction(raw []byte) (Transaction, error) {
	if !valid(raw) {
		return Transaction{}, fmt.Errorf("%w: %w", ErrEnvelope, errSyntax)
	}
	return AdoptTransaction(bytes.Clone(raw))
}

// AdoptTransaction is [ParseTransaction] for text that is known to be JSON, as Elements gives it. The
// transaction keeps the text, which must not change any more.
func AdoptTransaction(raw []byte) (Transaction, error) {
	if opens(raw) != '[' {
		return Transaction{}, fmt.Errorf("%w: a transaction is no array", ErrEnvelope)
	}
	t := Transaction{raw: raw}
	parts := parseElements(t.raw)
	if len(parts) > 0 && opens(parts[0]) != '{' {
		return Transaction{}, fmt.Errorf("%w: the operations are no object", ErrEnvelope)
	}
	if len(parts) < 1 || len(parts) > 3 {
		return Transaction{}, fmt.Errorf("%w: %d elements instead of 1, 2 or 3", ErrMalformed, len(parts))
	}
	t.query = parts[0]
	t.operations, t.fault = parseOperations(t.query)
	if len(parts) > 1 {
		var err error
		if t.preconditions, err = parsePreconditions(parts[1]); err != nil {
			return Transaction{}, fmt.Errorf("%w: preconditions: %w", ErrMalformed, err)
		}
	}
	if len(parts) > 2 {
		if opens(parts[2]) != '"' {
			return Transaction{}, fmt.Errorf("%w: the client id is no string", ErrMalformed)
		}
		var err error
		if t.clientID, err = (&parser{data: parts[2]}).text(); err != nil {
			return Transaction{}, fmt.Errorf("%w: client id: %w", ErrMalformed, err)
		}
	}
	return t, nil
}

// ClientID is the id under which Inquire finds the transaction, "" for none.
func (t Transaction) ClientID() string { return t.clientID }

// Forbidden says whether an operation's key begins with .agency. Applying such
// a transaction changes nothing and answers [ErrForbidden].
func (t Transaction) Forbidden() bool {
	return slices.ContainsFunc(t.operations, func(o operation) bool {
		return strings.HasPrefix(o.path, "/.agency")
	})
}

// Observes are the URLs at which the transaction registers callbacks.
func (t Transaction) Observes() []string {
	var urls []string
	for _, o := range t.operations {
		if o.observer != nil && !o.observer.gone {
			urls = append(urls, o.observer.url)
		}
	}
	return urls
}

// Size is the length of its text.
func (t Transaction) Size() int { return len(t.raw) }

// Below says whether all its operations are at one of the paths or below it.
func (t Transaction) Below(paths ...string) bool {
	return !slices.ContainsFunc(t.operations, func(o operation) bool {
		return !slices.ContainsFunc(paths, func(path string) bool { return covers(path, o.path) })
	})
}

// Preconditions are the paths at which something must hold.
func (t Transaction) Preconditions() []string {
	paths := make([]string, len(t.preconditions))
	for i, p := range t.preconditions {
		paths[i] = p.path
	}
	return paths
}
