package certificate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Statuses of a [Signature].
const (
	Unsigned   = "unsigned"
	Signed     = "valid"
	UnknownKey = "unknown key" // it was not checked
	Forged     = "forged"      // it does not hold
)

// Signature says what is known of the signature of a backup.
type Signature struct {
	Key    string `json:"key,omitempty"` // id of the key that the certificate names; "": none
	Status string `json:"status"`        // Unsigned, Signed, UnknownKey or Forged
}

// Trust is by which keys backups are judged. With Strict a backup is refused unless one of Keys
// has signed it. Otherwise only a signature that does not hold is refused: the backup may be older
// than signatures, or of another cluster.
type Trust struct {
	Keys   []PublicKey `json:"keys,omitempty"`
	Strict bool        `json:"strict,omitempty"`
}

// Judge judges the certificates that are stored in the pieces of a backup, by the server that made
// them. The error says why the backup is refused; it matches [ErrUnsigned], [ErrUnknownKey] or
// [ErrForged].
//
// Every certificate is judged: two that differ may mean the same to one reader of JSON, and not to
// another.
func (t Trust) Judge(stored map[string]json.RawMessage) (s Signature, err error) {
	s.Status = Unsigned
	if t.Strict && len(stored) == 0 {
		return s, fmt.Errorf("the backup is refused: %w", ErrUnsigned)
	}
	for i, source := range slices.Sorted(maps.Keys(stored)) {
		key, why := CheckSignature(stored[source], t.Keys...)
		one := Signature{Key: key, Status: statusOf(why)}
		if i == 0 || why != nil {
			s = one
		}
		if t.Strict && why != nil || errors.Is(why, ErrForged) {
			return s, fmt.Errorf("certificate of %s: %w", source, why)
		}
	}
	return s, nil
}

func statusOf(err error) string {
	switch {
	case err == nil:
		return Signed
	case errors.Is(err, ErrUnsigned):
		return Unsigned
	case errors.Is(err, ErrUnknownKey):
		return UnknownKey
	}
	return Forged
}
