package fsm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"stasis/internal/failpoint"
)

// Transaction is a set of operations that are applied together or not at all,
// the preconditions for that, and a client id under which its index can be
// asked for. It owns its bytes and never changes. The zero value is a malformed
// transaction: it may be applied like any other and answers ErrMalformed.
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
// [operations, preconditions, client id]. The error is ErrEnvelope if the whole
// request is to be refused and ErrMalformed, beside the zero Transaction, if
// only this transaction is to have the result 0. Operations that are malformed
// are no error here, because preconditions are answered first: Apply tells.
func ParseTransaction(raw []byte) (Transaction, error) {
	if !json.Valid(raw) {
		return Transaction{}, fmt.Errorf("%w: %w", ErrEnvelope, errSyntax)
	}
	return AdoptTransaction(bytes.Clone(raw))
}

// AdoptTransaction is ParseTransaction for text that is known to be JSON, as
// Elements gives it. The transaction keeps it: nobody may change it any more.
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

// parseOperations reads the operations and sorts them into the order in which
// they are applied. All paths are there even if an operation is at fault.
func parseOperations(raw []byte) ([]operation, error) {
	fields, err := parseFields(raw)
	operations := make([]operation, 0, len(fields))
	for _, f := range fields {
		operations = append(operations, newOperation(segments(f.name), f.raw))
	}
	slices.SortStableFunc(operations, func(a, b operation) int { return cmp.Compare(a.path, b.path) })
	for i, o := range operations {
		if err == nil && o.fault != nil {
			err = fmt.Errorf("%s: %w", o.path, o.fault)
		}
		if err == nil && i > 0 && o.path == operations[i-1].path {
			err = fmt.Errorf("%w: %s", errRepeated, o.path)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return operations, err
}

// ClientID is the id under which Inquire finds the transaction, "" for none.
func (t Transaction) ClientID() string { return t.clientID }

// Forbidden says whether an operation's key begins with .agency. Applying such
// a transaction changes nothing and answers ErrForbidden.
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

// run evaluates the transaction in base, the contents of a tree of a weight without what
// has expired. It returns the contents afterwards, or the failed preconditions, if any,
// and the reason.
func (t Transaction) run(base contents, weight uint64) (after contents, failed []string, reason error) {
	if t.raw == nil {
		return base, nil, ErrMalformed
	}
	if t.Forbidden() {
		return base, nil, ErrForbidden
	}
	if failed = t.unmet(base.root); failed != nil {
		return base, failed, fmt.Errorf("%w: %s", ErrPrecondition, strings.Join(failed, ", "))
	}
	if t.frozenOut(base.root) {
		return base, []string{lockPath}, ErrFrozen
	}
	if t.fault != nil {
		return base, nil, t.fault
	}
	after = base
	for _, o := range t.operations {
		if after, reason = o.apply(after); reason != nil {
			return base, nil, fmt.Errorf("%s: %w", o.path, reason)
		}
		if t.over(max(weight, absurd), after.weight()) {
			break
		}
	}
	if t.over(weight, after.weight()) && !failpoint.Off("tree-has-a-limit") {
		return base, nil, fmt.Errorf("%w: %d bytes, where %d are there and %d are allowed", ErrLimit, after.weight(), weight, t.limit)
	}
	return after, nil, nil
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

// ByHolder is ByHolder of its text.
func (t Transaction) ByHolder(root *Node) bool { return ByHolder(t.raw, root) }
