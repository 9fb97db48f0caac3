package integration

import (
	"context"

	"stasis/client"
	"stasis/lab/workload"
)

// contents are what was found: collection → key → document, without _id and _rev.
type contents map[string]workload.State

// readDocuments reads collections whole. A collection that does not exist is an error.
func readDocuments(ctx context.Context, db *client.Database, collections ...string) (contents, error) {
	all := contents{}
	for _, name := range collections {
		one, err := workload.Read(ctx, db, name)
		if err != nil {
			return nil, err
		}
		all[name] = one
	}
	return all, nil
}
