package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/storage"
)

// checkedFile reads a file of a local piece. Its last read fails if the file is not what
// the piece's manifest says. Its errors are storage.ErrLocal.
type checkedFile struct {
	io.ReadCloser
	sum  hash.Hash
	n    int64
	want piece.File
}

func newCheckedFile(in io.ReadCloser, want piece.File) *checkedFile {
	return &checkedFile{ReadCloser: in, sum: sha256.New(), want: want}
}

func (c *checkedFile) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.n > c.want.Size || errors.Is(err, io.EOF) || c.n == c.want.Size && n > 0 {
		if c.n != c.want.Size || hex.EncodeToString(c.sum.Sum(nil)) != c.want.SHA256 {
			return 0, fmt.Errorf("%w: %w: the file of the local piece has changed", storage.ErrLocal, backup.ErrContent)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", storage.ErrLocal, err)
	}
	return n, err
}
