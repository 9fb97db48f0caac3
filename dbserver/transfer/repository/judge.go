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
// If something cannot be read, nothing is known of the signature: that is a problem, and there is no
// answer.
func judge(ctx context.Context, r *Repository, trust certificate.Trust, id string, servers []string) (*certificate.Signature, []string, error) {
	if len(trust.Keys) == 0 {
		return nil, nil, nil
	}
	sealed := map[string]certificate.Sealed{}
	for _, server := range servers {
		s, err := sealedOf(ctx, r, id, server)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case err != nil:
			return nil, []string{fmt.Sprintf("the signature cannot be checked: piece of %s: %v", server, err)}, nil
		}
		sealed[server] = s
	}
	signature, err := trust.Judge(certificate.Stored(sealed))
	_, problems := certificate.Examine(sealed, "")
	if err != nil {
		problems = append(problems, err.Error())
	}
	return &signature, problems, nil
}

// sealedOf reads the small files of a piece.
func sealedOf(ctx context.Context, r *Repository, id, server string) (certificate.Sealed, error) {
	p, _, err := r.readPiece(ctx, id, server, "")
	if err != nil {
		return certificate.Sealed{}, err
	}
	return p.content().Sealed(func(f piece.File) ([]byte, error) {
		data, err := getBytes(ctx, r.remote, BlobName(f.SHA256))
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return nil, fmt.Errorf("%s is missing", BlobName(f.SHA256))
		case err == nil && sumOf(data) != f.SHA256:
			return nil, fmt.Errorf("%s has changed content", BlobName(f.SHA256))
		}
		return data, err
	})
}
