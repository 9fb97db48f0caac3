package document

import (
	"encoding/json"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Meta is what an answer says of a document.
type Meta struct {
	ID     string          `json:"_id"`
	Key    string          `json:"_key"`
	Rev    string          `json:"_rev"`
	OldRev string          `json:"_oldRev,omitempty"`
	New    json.RawMessage `json:"new,omitempty"`
	Old    json.RawMessage `json:"old,omitempty"`
}

// MetaOf is the answer for an operation that succeeded. A removed document is
// named by the revision it had.
func MetaOf(collection string, op dbclient.Op, r dbclient.OpResult) Meta {
	m := Meta{ID: collection + "/" + op.Key, Key: op.Key, Rev: r.Rev, OldRev: r.OldRev, New: r.New, Old: r.Old}
	if op.Kind == dbclient.OpRemove {
		if m.OldRev != "" {
			m.Rev, m.OldRev = m.OldRev, ""
		}
		m.New = nil
	}
	return m
}

// Failure is the error of an operation, with what belongs to it. A conflict names
// the stored document, and is a failed precondition: only a given revision makes one.
func Failure(collection, key string, r dbclient.OpResult, err error) *apierror.Error {
	e := apierror.From(err)
	if e.Num != apierror.Conflict || r.Rev == "" {
		return e
	}
	return &apierror.Error{
		Num: apierror.Conflict, Code: 412, Message: "conflict, _rev values do not match",
		Extra: map[string]any{"_id": collection + "/" + key, "_key": key, "_rev": r.Rev}, Cause: e,
	}
}

// ItemError is the error of one item of an array: the envelope without a code.
func ItemError(e *apierror.Error) map[string]any {
	m := map[string]any{"error": true, "errorNum": int(e.Num), "errorMessage": e.Message}
	for k, v := range e.Extra {
		m[k] = v
	}
	return m
}

// ErrorCodes is the value of X-Arango-Error-Codes: how many items failed with
// which number, "" if none did.
func ErrorCodes(errs []*apierror.Error) string {
	counts := map[string]int{}
	for _, e := range errs {
		if e != nil {
			counts[fmt.Sprint(int(e.Num))]++
		}
	}
	if len(counts) == 0 {
		return ""
	}
	raw, _ := json.Marshal(counts) // a map of ints can always be encoded
	return string(raw)
}
