package shard

import (
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// outcome is what an operation does to its key.
type outcome struct {
	result dbclient.OpResult
	put    *object // the new document's body, or
	remove bool
}

// writes says whether anything changes.
func (o outcome) writes() bool { return o.put != nil || o.remove }

// decide has the rules of writing operations: what an operation does to a key under which
// stored is stored (nil: nothing). body is the operation's document, which the outcome may
// take over. It does no I/O.
func decide(op dbclient.Op, body *object, stored *document) (outcome, error) {
	if stored == nil {
		if op.Kind != dbclient.OpInsert {
			return outcome{}, notFound(op.Key)
		}
		return outcome{result: dbclient.OpResult{Key: op.Key, Created: true}, put: body}, nil
	}
	if op.Kind == dbclient.OpInsert {
		switch op.OverwriteMode {
		case dbclient.OverwriteReplace, dbclient.OverwriteUpdate:
		case dbclient.OverwriteIgnore:
			return outcome{result: dbclient.OpResult{Key: op.Key, Rev: stored.rev(), Ignored: true}}, nil
		default:
			return outcome{}, apierror.New(apierror.UniqueConstraint,
				"unique constraint violated - in index primary of type primary over '_key'; conflicting key: %s", op.Key)
		}
	}
	if err := matches(op.IfMatch, stored); err != nil {
		return outcome{}, err
	}
	if op.Kind == dbclient.OpRemove {
		return outcome{result: dbclient.OpResult{Key: op.Key, Rev: stored.rev()}, remove: true}, nil
	}
	out := outcome{result: dbclient.OpResult{Key: op.Key, OldRev: stored.rev()}, put: body}
	if op.Kind == dbclient.OpUpdate || op.OverwriteMode == dbclient.OverwriteUpdate {
		old, err := stored.body()
		if err != nil {
			return outcome{}, fmt.Errorf("update %s: %w", op.Key, err)
		}
		out.put = merge(old, body, op.DropNulls, op.ReplaceNested)
	}
	return out, keepsShardKeys(op, stored, out.put)
}

// read answers a reading operation.
func read(op dbclient.Op, stored *document) (dbclient.OpResult, error) {
	if stored == nil {
		return dbclient.OpResult{}, notFound(op.Key)
	}
	if err := matches(op.IfMatch, stored); err != nil {
		return dbclient.OpResult{}, err
	}
	result := dbclient.OpResult{Key: op.Key, Rev: stored.rev()}
	if op.IfNoneMatch != "" && op.IfNoneMatch == result.Rev {
		result.NotModified = true
		return result, nil
	}
	result.New = stored.json
	return result, nil
}

func matches(ifMatch string, stored *document) error {
	if ifMatch == "" || ifMatch == stored.rev() {
		return nil
	}
	return apierror.New(apierror.Conflict, "conflict, _rev values do not match")
}

func notFound(key string) error {
	return apierror.New(apierror.DocumentNotFound, "document %q not found", key)
}

// checkOp refuses operations that are not well formed, and parses the document of writes that
// have one.
func checkOp(op dbclient.Op) (body *object, err error) {
	if err := checkKey(op.Key); err != nil {
		return nil, err
	}
	switch op.OverwriteMode {
	case "", dbclient.OverwriteConflict, dbclient.OverwriteIgnore, dbclient.OverwriteReplace, dbclient.OverwriteUpdate:
	default:
		return nil, apierror.New(apierror.BadParameter, "unknown overwrite mode %q", op.OverwriteMode)
	}
	switch op.Kind {
	case dbclient.OpInsert, dbclient.OpReplace, dbclient.OpUpdate:
		return parseBody(op.Document)
	case dbclient.OpRead, dbclient.OpRemove:
		return nil, nil
	}
	return nil, apierror.New(apierror.BadParameter, "unknown operation %q", op.Kind)
}

// failed is the result of an operation that failed: with a stored document its
// revision goes with the error.
func failed(key string, err error, stored *document) dbclient.OpResult {
	r := dbclient.OpResult{Key: key, Error: apierror.From(err)}
	if stored != nil {
		r.Rev = stored.rev()
	}
	return r
}
