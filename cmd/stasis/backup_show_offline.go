package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
)

// describePieces is what the folders of a backup's pieces say of it, without their data.
func describePieces(id string, folders []string) (client.ShowResult, error) {
	res := client.ShowResult{Problems: []string{}}
	made := map[string]certificate.Sealed{}
	for _, folder := range folders {
		f := piece.In(vfs.Default, folder)
		meta, err := f.WithReplicas()
		if err != nil {
			return res, fmt.Errorf("show: %s: %w", folder, err)
		}
		stored, err := f.Certificate()
		if err != nil {
			return res, fmt.Errorf("show: %s: %w", folder, err)
		}
		made[meta.ServerID] = certificate.Sealed{Piece: meta, Certificate: stored}
	}
	res.Backup = listedOf(id, made)
	cert, problems := certificate.Examine(made, "")
	res.Certificate, res.Problems = cert, append(res.Problems, problems...)
	return res, nil
}

// listedOf is the entry that a list would have for pieces, by the server that made them. Without a
// cluster, a backup counts as available if all its pieces are there.
func listedOf(id string, made map[string]certificate.Sealed) client.ListedBackup {
	b := client.ListedBackup{ID: id, Keys: []certificate.Key{}, NrPiecesPresent: len(made)}
	for _, source := range slices.Sorted(maps.Keys(made)) {
		p := made[source].Piece
		b.Version, b.DateTime, b.NrDBServers, b.Kind, b.LockMode = p.Version, p.DateTime, p.NrDBServers, p.Kind, p.LockMode
		b.SizeInBytes += p.SizeInBytes
		b.NrFiles += p.NrFiles
		b.PotentiallyInconsistent = b.PotentiallyInconsistent || p.PotentiallyInconsistent
		b.CountIncludesFilesOnly = p.CountIncludesFilesOnly
	}
	b.Available = b.NrPiecesPresent == b.NrDBServers
	return b
}
