package piece

import (
	"encoding/json"
	"fmt"
	"slices"

	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
)

// Sealed is what the piece that c lists says of itself, and its certificate, for a piece that is
// not in a folder. read returns a file's content, which is as c lists it. Sealed checks that the
// small files belong to the listed ones. The other files are not read.
func (c Content) Sealed(read func(File) ([]byte, error)) (sealed certificate.Sealed, err error) {
	small := map[string][]byte{}
	for _, name := range []string{FileMeta, FileManifest, FileCertificate} {
		i := slices.IndexFunc(c.Files, func(f File) bool { return f.Name == name })
		if i < 0 { // a failsafe has no certificate; the others are always listed, see Check
			continue
		}
		if small[name], err = read(c.Files[i]); err != nil {
			return sealed, fmt.Errorf("%s: %w", name, err)
		}
	}
	var meta dbclient.Piece
	var m Manifest
	if err := json.Unmarshal(small[FileMeta], &meta); err != nil {
		return sealed, fmt.Errorf("%s: %w", FileMeta, err)
	}
	if err := json.Unmarshal(small[FileManifest], &m); err != nil {
		return sealed, fmt.Errorf("%s: %w", FileManifest, err)
	}
	if err := c.describedBy(meta, m); err != nil {
		return sealed, err
	}
	meta.Replicas = m.Replicas
	return certificate.Sealed{Piece: meta, Certificate: small[FileCertificate]}, nil
}
