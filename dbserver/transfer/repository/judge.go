package repository

import (
	"context"
	"errors"
	"fmt"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/storage"
)

// judge checks who has signed a backup, and that its pieces at the remote are those that were
// signed. Manifests at the remote are not signed, but the certificate has the hash of the manifest
// in each piece, and that has the hashes of the files. It checks nothing without keys.
//
// What cannot be read is a problem already, and is named once more only if nothing else was found.
func (v *verifier) judge(ctx context.Context, id string) (*certificate.Signature, error) {
	if len(v.trust.Keys) == 0 {
		return nil, nil
	}
	sealed := map[string]certificate.Sealed{}
	for _, server := range v.index.pieces[id] {
		s, err := v.sealed(ctx, id, server)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			v.problem("%s: the signature cannot be checked: piece of %s: %v", id, server, err)
			return &certificate.Signature{Status: certificate.Forged}, nil
		}
		sealed[server] = s
	}
	signature, err := v.trust.Judge(certificate.Stored(sealed))
	if err != nil {
		v.problem("%s: %v", id, err)
	}
	_, problems := certificate.Examine(sealed, "")
	for _, problem := range problems {
		v.problem("%s: %s", id, problem)
	}
	return &signature, nil
}

// sealed reads the small files of a piece.
func (v *verifier) sealed(ctx context.Context, id, server string) (certificate.Sealed, error) {
	p, _, err := v.at.readPiece(ctx, id, server, "")
	if err != nil {
		return certificate.Sealed{}, err
	}
	return p.content().Sealed(func(f piece.File) ([]byte, error) {
		data, err := getBytes(ctx, v.at.remote, BlobName(f.SHA256))
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return nil, fmt.Errorf("%s %s", BlobName(f.SHA256), isMissing)
		case err == nil && sumOf(data) != f.SHA256:
			return nil, fmt.Errorf("%s has changed content", BlobName(f.SHA256))
		}
		return data, err
	})
}
