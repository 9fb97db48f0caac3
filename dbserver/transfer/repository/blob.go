package repository

import (
	"context"
	"errors"
	"io"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/storage"
)

// large is the size from which one more call to the remote is cheap beside sending a file.
const large = 4 << 20

// Has says whether a file's content is at the remote, with its name and size. known says
// what was there. Has looks for a large blob that was not there once more, since another
// upload may have sent it meanwhile.
func (r *Repository) Has(ctx context.Context, known *Blobs, f piece.File) (bool, error) {
	if size, ok := known.size(BlobName(f.SHA256)); ok && (size == f.Size || f.Size < large) {
		return size == f.Size, nil
	}
	o, err := r.remote.Stat(ctx, BlobName(f.SHA256))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil && o.Size == f.Size, err
}

// PutBlob sends a file's content, once. open returns it from its beginning.
func (r *Repository) PutBlob(ctx context.Context, f piece.File, open func() (io.ReadCloser, error)) error {
	return r.plain.Put(ctx, BlobName(f.SHA256), f.Size, open)
}

// OpenBlob reads a file's content.
func (r *Repository) OpenBlob(ctx context.Context, f piece.File) (io.ReadCloser, error) {
	return r.remote.Open(ctx, BlobName(f.SHA256))
}
