package shard

import (
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/shardkey"
)

// keepsShardKeys returns 1469 if a write changes the value of an attribute that decides on which shard the document is: it would
// be on the wrong one.
func keepsShardKeys(op dbclient.Op, stored *document, becomes *object) error {
	if len(op.ShardKeys) == 0 || failpoint.Off("shard-keys-stay") {
		return nil
	}
	was, err := stored.body()
	if err != nil {
		return fmt.Errorf("shard keys of %s: %w", op.Key, err)
	}
	for _, name := range op.ShardKeys {
		if !shardkey.Same(was.value(name), becomes.value(name)) {
			return apierror.New(apierror.ShardKeysChanged, "must not change the value of shard key attribute %s of document %q", name, op.Key)
		}
	}
	return nil
}

// value is the value of an attribute, nil if it is missing.
func (o *object) value(name string) []byte {
	if i := o.find(name); i >= 0 {
		return o.members[i].value
	}
	return nil
}
