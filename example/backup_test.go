package example

import (
	"encoding/json"
	"testing"

	"stasis/client"
	"stasis/minicluster"
)

// A backup is taken, verified and restored: what it held is there again, and nothing else.
func TestBackupAndRestore(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		ctx, c := l.Context(), l.clients[0]
		l.orders(50)
		made, err := c.Backups().Create(ctx, client.CreateRequest{Label: "nightly"})
		l.must(err)
		verified, err := c.Backups().Verify(ctx, made.ID)
		l.must(err)
		if !verified.Intact {
			l.Fatalf("backup %s: %v", made.ID, verified.Problems)
		}
		l.must(verified.Certificate.Check(nil)) // the same check, here: why the backup is one instant

		db := c.Database("")
		l.must(db.Put(ctx, "orders", order{Key: "0", Total: 4711}))
		l.must(db.Put(ctx, "orders", order{Key: "later"}))
		_, err = c.Backups().Restore(ctx, client.RestoreRequest{ID: made.ID})
		l.must(err)

		total, n := 0, 0
		l.must(db.Documents(ctx, "orders", func(raw json.RawMessage) error {
			var o order
			err := json.Unmarshal(raw, &o)
			total, n = total+o.Total, n+1
			return err
		}))
		if n != 50 || total != 49*50/2 {
			l.Fatalf("%d orders of %d in all are there", n, total)
		}
	})
}
