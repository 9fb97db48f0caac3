package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/lab/reader"
)

// verified is what was found of one backup.
type verified struct {
	client.VerifyResult
	Restored *restored `json:"restored,omitempty"` // nil: it was not asked for, or the backup cannot be restored
}

// restored is what was found in a backup that was restored into memory.
type restored struct {
	reader.Report
	Seconds float64 `json:"seconds"` // until the backup was open
}

// sayEvery is how often a long work says how far it is.
const sayEvery = 5 * time.Second

// restore opens the backup and reads all of it. What is wrong with the backup is added to the problems; an error is only that of
// ctx, or of this machine.
func (v *verified) restore(ctx context.Context, r show.Report, folders []string) (err error) {
	r.Info(show.Progress, "restoring '%s' into memory", v.ID)
	begun := time.Now()
	pieces := make([]reader.Piece, len(folders))
	for i, folder := range folders {
		pieces[i] = reader.Piece{FS: vfs.Default, Dir: folder}
	}
	opened, err := reader.Open(ctx, v.ID, pieces)
	if err != nil {
		return v.unreadable(err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	v.Restored = &restored{Seconds: time.Since(begun).Seconds()}
	said := time.Now()
	v.Restored.Report, err = opened.Inspect(ctx, func(c reader.Contents) {
		if time.Since(said) >= sayEvery {
			said = time.Now()
			r.Info(show.Progress, "read %d documents, %d bytes", c.Documents, c.Bytes)
		}
	})
	if err != nil {
		return fmt.Errorf("verify: read backup %s: %w", v.ID, err)
	}
	v.add(v.Restored.Problems...)
	return nil
}

// unreadable notes why the backup cannot be restored. Another error says nothing of the backup.
func (v *verified) unreadable(err error) error {
	var refusal *reader.Refusal
	if !errors.As(err, &refusal) {
		return fmt.Errorf("verify: %w", err)
	}
	for _, problem := range refusal.Problems {
		v.add(fmt.Sprintf("not restored: %v: %s", refusal.Because, problem))
	}
	return nil
}

func (v *verified) add(problems ...string) {
	v.Problems = append(v.Problems, problems...)
	v.Intact = len(v.Problems) == 0
}

func (v *verified) show(r show.Report) {
	if f := v.Restored; f != nil {
		r.Info(show.Progress, "restored in %.1f s: %d databases, %d collections, %d documents with %d bytes, Plan of index %d", f.Seconds, f.Databases, f.Collections, f.Documents, f.Bytes, f.PlanIndex)
		r.Info(show.Progress, "%d shards with %d replicas; %d were in sync at the cut by their leaders' statements and were compared", f.Shards, f.Replicas, f.InSync)
	}
	show.Verified(r, v.VerifyResult)
}
