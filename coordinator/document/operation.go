package document

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// unexpectedKey is the number for a key that a client chose in a collection that chooses all keys.
const unexpectedKey apierror.Num = 1222

// Rules are what a request and its collection say about its operations.
type Rules struct {
	Collection   string // its name
	Edges        bool
	DenyUserKeys bool
	NewKey       func(context.Context) (string, error) // for inserts without a key

	OverwriteMode dbclient.OverwriteMode
	DropNulls     bool
	ReplaceNested bool
	MatchRevs     bool   // ignoreRevs=false: the _rev of a body must be the stored one
	IfMatch       string // of the request's header
	IfNoneMatch   string
}

// Insert returns the operation for a body of POST. generated says that it has a new key.
func (r Rules) Insert(ctx context.Context, raw json.RawMessage) (op dbclient.Op, generated bool, err error) {
	body, err := ParseBody(raw)
	if err != nil {
		return op, false, err
	}
	return r.InsertBody(ctx, body)
}

// InsertBody is Insert of a parsed body.
func (r Rules) InsertBody(ctx context.Context, body *Body) (op dbclient.Op, generated bool, err error) {
	if r.Edges {
		if err := body.checkEdge(false); err != nil {
			return op, false, err
		}
	}
	op = dbclient.Op{Kind: dbclient.OpInsert, Document: body.stored(), OverwriteMode: r.OverwriteMode, DropNulls: r.DropNulls, ReplaceNested: r.ReplaceNested}
	if op.OverwriteMode != "" && op.OverwriteMode != dbclient.OverwriteConflict {
		op.IfMatch = r.match(body)
	}
	if body.Key == nil {
		op.Key, err = r.NewKey(ctx)
		return op, true, err
	}
	key, ok := text(body.Key)
	if !ok {
		return op, false, apierror.New(apierror.DocumentKeyBad, "illegal document key: not a string")
	}
	if r.DenyUserKeys {
		return op, false, apierror.New(unexpectedKey, "the collection does not allow user-defined keys")
	}
	op.Key = key
	return op, false, CheckKey(key)
}

// match returns the revision that the stored document must have: the header's, or with MatchRevs
// the body's.
func (r Rules) match(body *Body) string {
	if r.IfMatch != "" {
		return r.IfMatch
	}
	if rev, ok := text(body.Rev); ok && r.MatchRevs {
		return rev
	}
	return ""
}

// Modify returns the operation for a body of PUT or PATCH. key is that of the path; if it is
// empty, the body must name the document.
func (r Rules) Modify(kind dbclient.OpKind, key string, raw json.RawMessage) (dbclient.Op, error) {
	body, err := ParseBody(raw)
	if err != nil {
		return dbclient.Op{}, err
	}
	if key == "" {
		if key, err = r.keyOf(body); err != nil {
			return dbclient.Op{}, err
		}
	}
	if r.Edges {
		if err := body.checkEdge(kind == dbclient.OpUpdate); err != nil {
			return dbclient.Op{}, err
		}
	}
	op := dbclient.Op{Kind: kind, Key: key, Document: body.stored(), IfMatch: r.match(body)}
	if kind == dbclient.OpUpdate {
		op.DropNulls, op.ReplaceNested = r.DropNulls, r.ReplaceNested
	}
	return op, CheckKey(key)
}

// Select returns the operation, a read or a removal, for one item of an array: a key, a handle,
// or an object with _key or _id.
func (r Rules) Select(kind dbclient.OpKind, raw json.RawMessage) (dbclient.Op, error) {
	raw = bytes.TrimSpace(raw)
	if s, ok := text(&raw); ok {
		key, err := stripCollection(s, r.Collection)
		return dbclient.Op{Kind: kind, Key: key}, err
	}
	if len(raw) == 0 || raw[0] != '{' {
		return dbclient.Op{}, apierror.New(apierror.DocumentHandleBad, "illegal document identifier: neither a string nor an object")
	}
	body, err := ParseBody(raw)
	if err != nil {
		return dbclient.Op{}, err
	}
	key, err := r.keyOf(body)
	if err != nil {
		return dbclient.Op{}, err
	}
	return dbclient.Op{Kind: kind, Key: key, IfMatch: r.match(body)}, nil
}

// keyOf returns the key that an object names by _key or _id.
func (r Rules) keyOf(body *Body) (string, error) {
	if body.Key != nil {
		key, ok := text(body.Key)
		if !ok {
			return "", apierror.New(apierror.DocumentKeyBad, "illegal document key: not a string")
		}
		return key, CheckKey(key)
	}
	if id, ok := text(body.ID); ok {
		return stripCollection(id, r.Collection)
	}
	return "", apierror.New(apierror.DocumentHandleBad, "illegal document identifier: neither _key nor _id")
}

// Revision returns the revision in an If-Match or If-None-Match header, with or without quotes.
func Revision(header string) string {
	header = strings.TrimPrefix(strings.TrimSpace(header), "W/")
	if len(header) >= 2 && header[0] == '"' && header[len(header)-1] == '"' {
		return header[1 : len(header)-1]
	}
	return header
}
