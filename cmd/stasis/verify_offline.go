package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"stasis/coordinator/backup/verify"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
)

// verifyOffline checks backups by their files alone. It changes nothing.
func verifyOffline(cmd *cobra.Command, o *serverOptions, dir, id string) error {
	ctx, r := cmd.Context(), newReport(cmd, o)
	found, err := findPieces(dir, id)
	if err != nil {
		return err
	}
	if len(found) == 0 && id != "" {
		return fmt.Errorf("verify: no piece of %s in %s", id, dir)
	} else if len(found) == 0 {
		return fmt.Errorf("verify: no backup in %s", dir)
	}
	results := []verify.Result{}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		res, err := verifyPieces(ctx, id, found[id])
		if err != nil {
			return interrupted(err)
		}
		showVerify(r, res)
		results = append(results, res)
	}
	if o.json {
		err = printJSON(cmd.OutOrStdout(), results)
	}
	if slices.ContainsFunc(results, func(v verify.Result) bool { return !v.Intact }) {
		err = errors.Join(err, fmt.Errorf("%w: not intact", errReported))
	}
	return err
}

// findPieces gives, by backup id, the folders that hold a piece of it.
func findPieces(dir, id string) (map[string][]string, error) {
	found := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !piece.IsPublished(vfs.Default, path) {
			return err
		}
		if name := filepath.Base(path); id == "" || id == name {
			found[name] = append(found[name], path)
		}
		return fs.SkipDir
	})
	if err != nil {
		return nil, fmt.Errorf("looking for backups: %w", err)
	}
	return found, nil
}

func verifyPieces(ctx context.Context, id string, folders []string) (verify.Result, error) {
	res := verify.Result{ID: id, Pieces: map[string]verify.PieceReport{}, Problems: []string{}}
	made := map[string]dbclient.Piece{}
	certificates := map[string]json.RawMessage{}
	for _, folder := range folders {
		v, err := piece.In(vfs.Default, folder).Verify(ctx)
		if err != nil {
			return res, err
		}
		source := v.Piece.ServerID
		res.Pieces[folder] = verify.PieceReport{Source: source, Files: v.Files, Bytes: v.Bytes, Problems: v.Problems}
		res.PotentiallyInconsistent = res.PotentiallyInconsistent || v.Piece.PotentiallyInconsistent
		for _, problem := range v.Problems {
			res.Problems = append(res.Problems, folder+": "+problem)
		}
		if source != "" { // META could be read
			made[source], certificates[source] = v.Piece, v.Certificate
		}
	}
	certificate, problems := verify.Offline(made, certificates)
	res.Certificate, res.Problems = certificate, append(res.Problems, problems...)
	res.Intact = len(res.Problems) == 0
	return res, nil
}
