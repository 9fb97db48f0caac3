package example

import (
	"encoding/json"
	"testing"

	"stasis/minicluster"
)

// A backup is taken, verified and restored: what it held is there again, and nothing else.
func TestBackupAndRestore(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		ctx, c := l.Context(), l.clients[0]
		l.orders(50)
		var made struct{ ID string }
		l.must(c.Backup(ctx, "create", map[string]any{"label": "nightly"}, &made))
		var verified struct {
			Intact   bool
			Problems []string
		}
		l.must(c.Backup(ctx, "verify", map[string]any{"id": made.ID}, &verified))
		if !verified.Intact {
			l.Fatalf("backup %s: %v", made.ID, verified.Problems)
		}

		db := c.Database("")
		l.must(db.Put(ctx, "orders", order{Key: "0", Total: 4711}))
		l.must(db.Put(ctx, "orders", order{Key: "later"}))
		l.must(c.Backup(ctx, "restore", map[string]any{"id": made.ID}, &struct{}{}))

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
