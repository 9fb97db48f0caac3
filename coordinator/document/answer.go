package document

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

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

// Bounds of what an answer says of errors.
const (
	fullMessages = 1000 // items whose messages are told as they are
	maxMessage   = 512  // bytes of a message
)

// Failures are the errors of the items of an array.
type Failures struct {
	told   int
	counts map[string]int // by number
}

// Entry counts the error of an item, and is what the answer says of it: the envelope
// without a code. After fullMessages of them the message is the number's.
func (f *Failures) Entry(e *apierror.Error) map[string]any {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[strconv.Itoa(int(e.Num))]++
	message := Shorten(e.Message)
	if f.told++; f.told > fullMessages {
		message = brief(e.Num)
	}
	m := map[string]any{"error": true, "errorNum": int(e.Num), "errorMessage": message}
	for k, v := range e.Extra {
		m[k] = v
	}
	return m
}

// Codes is the value of X-Arango-Error-Codes: how many items failed with which number, ""
// if none did.
func (f *Failures) Codes() string {
	if len(f.counts) == 0 {
		return ""
	}
	raw, _ := json.Marshal(f.counts) // a map of ints can always be encoded
	return string(raw)
}

// Shorten is a message, or its beginning if it is long.
func Shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// brief is what is said of an error whose message is not told.
func brief(n apierror.Num) string {
	switch n {
	case apierror.UniqueConstraint:
		return "unique constraint violated"
	case apierror.DocumentNotFound:
		return "document not found"
	case apierror.Conflict:
		return "conflict, _rev values do not match"
	case apierror.DocumentTypeInvalid:
		return "invalid document type"
	case apierror.DocumentKeyBad:
		return "illegal document key"
	case apierror.DocumentHandleBad:
		return "illegal document identifier"
	case apierror.EdgeAttributeMissing:
		return "edge attribute missing or invalid"
	case apierror.ConnectionLost:
		return "the outcome is unknown"
	}
	return fmt.Sprintf("error %d; see the first items that failed", int(n))
}
