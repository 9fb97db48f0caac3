package transactions

import (
	"encoding/json"

	"stasis/coordinator/transaction"
	"stasis/internal/apierror"
)

// beginBody is the body of a begin. What else clients send says nothing to us: skipFastLockRound among it, as there is no fast
// round.
type beginBody struct {
	Collections *struct {
		Read      names `json:"read"`
		Write     names `json:"write"`
		Exclusive names `json:"exclusive"`
	} `json:"collections"`
	WaitForSync        bool     `json:"waitForSync"`
	AllowImplicit      *bool    `json:"allowImplicit"`
	LockTimeout        *float64 `json:"lockTimeout"`
	MaxTransactionSize *float64 `json:"maxTransactionSize"`
}

// names are one name or several.
type names []string

// UnmarshalJSON reads a string, an array of strings, or null.
func (n *names) UnmarshalJSON(raw []byte) error {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if *n = nil; one != nil {
			*n = names{*one}
		}
		return nil
	}
	var many []*string
	if err := json.Unmarshal(raw, &many); err != nil {
		return apierror.New(apierror.BadParameter, "collections: want a name, or an array of names, in each of read, write and exclusive")
	}
	*n = nil
	for _, name := range many {
		if name == nil {
			return apierror.New(apierror.BadParameter, "collections: a name must be a string")
		}
		*n = append(*n, *name)
	}
	return nil
}

// spec is the transaction that a body asks for.
func (b beginBody) spec(db string) (transaction.Spec, error) {
	s := transaction.Spec{Database: db, Collections: map[string]transaction.Access{}, WaitForSync: b.WaitForSync, Implicit: true, LockTimeout: b.LockTimeout}
	if b.Collections == nil {
		return s, apierror.New(apierror.BadParameter, "missing 'collections': an object with the names of collections in read, write and exclusive")
	}
	if b.AllowImplicit != nil {
		s.Implicit = *b.AllowImplicit
	}
	if size := b.MaxTransactionSize; size != nil {
		if !(*size >= 1 && *size < 1<<62) {
			return s, apierror.New(apierror.BadParameter, "maxTransactionSize %v: want a number of bytes above 0", *size)
		}
		s.MaxBytes = int64(*size)
	}
	for _, group := range []struct {
		names  names
		access transaction.Access
	}{{b.Collections.Read, transaction.Read}, {b.Collections.Write, transaction.Write}, {b.Collections.Exclusive, transaction.Exclusive}} {
		for _, name := range group.names {
			if name == "" {
				return s, apierror.New(apierror.BadParameter, "collections: a name must not be empty")
			}
			s.Collections[name] = max(s.Collections[name], group.access)
		}
	}
	return s, nil
}
