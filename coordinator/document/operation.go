package document

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/shardkey"
)

// Rules are what a request and its collection say about its operations.
type Rules struct {
	Collection   string // its name
	Edges        bool
	DenyUserKeys bool
	ShardKeys    shardkey.Keys                         // that place its documents; nil: their keys do
	NewKey       func(context.Context) (string, error) // for inserts without a key

	OverwriteMode dbclient.OverwriteMode
	DropNulls     bool
	ReplaceNested bool
	MatchRevs     bool   // ignoreRevs=false: the _rev of a body must be the stored one
	IfMatch       string // of the request's header
	IfNoneMatch   string
}

// Operation is an operation on a document, as a client's request says it.
type Operation struct {
	dbclient.Op
	Generated bool          // it inserts with a key that was made for it
	Spot      shardkey.Spot // where the document is, if Rules have ShardKeys
}

// Insert returns the operation for a body of POST.
func (r Rules) Insert(ctx context.Context, raw json.RawMessage) (Operation, error) {
	body, err := ParseBody(raw)
	if err != nil {
		return Operation{}, err
	}
	return r.InsertBody(ctx, body)
}

// InsertBody is Insert of a parsed body.
func (r Rules) InsertBody(ctx context.Context, body *Body) (Operation, error) {
	if r.Edges {
		if err := body.checkEdge(false); err != nil {
			return Operation{}, err
		}
	}
	op := Operation{Op: dbclient.Op{Kind: dbclient.OpInsert, Document: body.stored(), OverwriteMode: r.OverwriteMode, DropNulls: r.DropNulls, ReplaceNested: r.ReplaceNested}}
	if op.OverwriteMode != "" && op.OverwriteMode != dbclient.OverwriteConflict {
		op.IfMatch = r.match(body)
	}
	if body.Key == nil {
		var err error
		op.Generated = true
		if op.Key, err = r.NewKey(ctx); err == nil && r.ShardKeys != nil {
			op.Spot = r.ShardKeys.Spot(body.valueOf(op.Key))
		}
		return op, err
	}
	key, ok := text(body.Key)
	if !ok {
		return op, apierror.New(apierror.DocumentKeyBad, "illegal document key: not a string")
	}
	if r.DenyUserKeys {
		return op, apierror.New(apierror.KeyUnexpected, "the collection does not allow user-defined keys")
	}
	if r.ShardKeys != nil { // only a new key is on no other shard
		return op, apierror.New(apierror.KeyNotAllowed, "must not specify _key for this collection: its shard keys are %s", strings.Join(r.ShardKeys, ", "))
	}
	op.Key = key
	return op, CheckKey(key)
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
func (r Rules) Modify(kind dbclient.OpKind, key string, raw json.RawMessage) (Operation, error) {
	body, err := ParseBody(raw)
	if err != nil {
		return Operation{}, err
	}
	if key == "" {
		if key, err = r.keyOf(body); err != nil {
			return Operation{}, err
		}
	}
	if r.Edges {
		if err := body.checkEdge(kind == dbclient.OpUpdate); err != nil {
			return Operation{}, err
		}
	}
	op := Operation{Op: dbclient.Op{Kind: kind, Key: key, Document: body.stored(), IfMatch: r.match(body)}}
	if kind == dbclient.OpUpdate {
		op.DropNulls, op.ReplaceNested = r.DropNulls, r.ReplaceNested
	}
	op.ShardKeys = r.ShardKeys // a document never moves to another shard
	if op.Spot, err = body.spotOfChanged(r.ShardKeys, kind, key); err != nil {
		return op, err
	}
	return op, CheckKey(key)
}

// Select returns the operation, a read or a removal, for one item of an array: a key, a handle,
// or an object with _key or _id.
func (r Rules) Select(kind dbclient.OpKind, raw json.RawMessage) (Operation, error) {
	raw = bytes.TrimSpace(raw)
	if s, ok := text(&raw); ok {
		key, err := stripCollection(s, r.Collection)
		return Operation{Op: dbclient.Op{Kind: kind, Key: key}}, err
	}
	if len(raw) == 0 || raw[0] != '{' {
		return Operation{}, apierror.New(apierror.DocumentHandleBad, "illegal document identifier: neither a string nor an object")
	}
	body, err := ParseBody(raw)
	if err != nil {
		return Operation{}, err
	}
	key, err := r.keyOf(body)
	if err != nil {
		return Operation{}, err
	}
	return Operation{Op: dbclient.Op{Kind: kind, Key: key, IfMatch: r.match(body)}, Spot: body.spotOf(r.ShardKeys, key)}, nil
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
