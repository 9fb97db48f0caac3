package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/cmd/stasis/flags"
	"stasis/dbserver/backup/piece"
)

// verifyOffline checks backups by their files alone. It changes nothing.
func verifyOffline(cmd *cobra.Command, b *flags.Backup, v verification) error {
	ctx, r := cmd.Context(), newReport(cmd, b)
	found, err := findPieces(v.dir, v.id)
	if err != nil {
		return err
	}
	if len(found) == 0 && v.id != "" {
		return fmt.Errorf("verify: no piece of %s in %s", v.id, v.dir)
	} else if len(found) == 0 {
		return fmt.Errorf("verify: no backup in %s", v.dir)
	}
	results := []verified{}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		res := verified{}
		res.VerifyResult, err = verifyPieces(ctx, id, found[id], certificate.Trust{Keys: v.trusted, Strict: len(v.trusted) > 0})
		if err == nil && v.restore {
			err = res.restore(ctx, r, found[id])
		}
		if err != nil {
			return interrupted(ctx, err)
		}
		res.show(r)
		results = append(results, res)
	}
	if b.JSON {
		err = printJSON(cmd.OutOrStdout(), results)
	}
	if slices.ContainsFunc(results, func(v verified) bool { return !v.Intact }) {
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

func verifyPieces(ctx context.Context, id string, folders []string, trust certificate.Trust) (client.VerifyResult, error) {
	res := client.VerifyResult{ID: id, Pieces: map[string]client.PieceReport{}, Problems: []string{}}
	made := map[string]certificate.Sealed{}
	for _, folder := range folders {
		v, err := piece.In(vfs.Default, folder).Verify(ctx)
		if err != nil {
			return res, err
		}
		source := v.Piece.ServerID
		res.Pieces[folder] = client.PieceReport{Source: source, Files: v.Files, Bytes: v.Bytes, Problems: v.Problems}
		res.PotentiallyInconsistent = res.PotentiallyInconsistent || v.Piece.PotentiallyInconsistent
		for _, problem := range v.Problems {
			res.Problems = append(res.Problems, folder+": "+problem)
		}
		if _, twice := made[source]; twice && trust.Strict {
			res.Problems = append(res.Problems, folder+": another piece of "+source+" is there, too, and one of both may be forged")
		}
		if source != "" { // META could be read
			made[source] = certificate.Sealed{Piece: v.Piece, Certificate: v.Certificate}
		}
	}
	var problems []string
	res.Certificate, problems = certificate.Examine(made, "")
	res.Problems = append(res.Problems, problems...)
	signature, err := trust.Judge(certificate.Stored(made))
	if res.Signature = &signature; err != nil {
		res.Problems = append(res.Problems, err.Error())
	}
	res.Intact = len(res.Problems) == 0
	return res, nil
}
