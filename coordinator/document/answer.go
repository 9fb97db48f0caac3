package document

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Meta is the answer about one document.
type Meta struct {
	ID     string          `json:"_id"`
	Key    string          `json:"_key"`
	Rev    string          `json:"_rev"`
	OldRev string          `json:"_oldRev,omitempty"`
	New    json.RawMessage `json:"new,omitempty"`
	Old    json.RawMessage `json:"old,omitempty"`
}

// MetaOf returns the answer for an operation that succeeded. Of a removed document it has the
// last revision.
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

// Failure returns the error of an operation for the client. A conflict names the stored
// document. It is a failed precondition (412), because only a given revision causes one.
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

// Bounds of the errors in an answer.
const (
	fullMessages = 1000 // items whose messages are complete
	maxMessage   = 512  // bytes of a message
)

// Failures are the errors of the items of an array.
type Failures struct {
	shown  int
	counts map[string]int // by number
}

// Entry counts the error of an item and returns its entry in the answer: the envelope without
// a code. After fullMessages entries the message is the short one of the error number.
func (f *Failures) Entry(e *apierror.Error) map[string]any {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[strconv.Itoa(int(e.Num))]++
	message := Shorten(e.Message)
	if f.shown++; f.shown > fullMessages {
		message = brief(e.Num)
	}
	m := map[string]any{"error": true, "errorNum": int(e.Num), "errorMessage": message}
	for k, v := range e.Extra {
		m[k] = v
	}
	return m
}

// Codes returns the value of X-Arango-Error-Codes: how many items failed with which number, ""
// if none failed.
func (f *Failures) Codes() string {
	if len(f.counts) == 0 {
		return ""
	}
	raw, _ := json.Marshal(f.counts) // a map of ints can always be encoded
	return string(raw)
}

// Shorten returns a message, or its beginning if it is long.
func Shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// brief returns a short message for an error number.
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
	case apierror.KeyNotAllowed:
		return "must not specify _key for this collection"
	case apierror.ContradictingAnswers:
		return "got contradicting answers from different shards"
	case apierror.ShardKeysMissing:
		return "not all sharding attributes given"
	case apierror.ShardKeysChanged:
		return "must not change the value of a shard key attribute"
	case apierror.ConnectionLost:
		return "the outcome is unknown"
	}
	return fmt.Sprintf("error %d; see the first items that failed", int(n))
}
