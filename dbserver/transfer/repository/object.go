package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"stasis/dbserver/transfer/storage"
)

// ErrDamaged marks what is at the remote and is not as it was written.
var ErrDamaged = errors.New("damaged at the remote")

// maxManifest bounds what is read of a manifest, which is whatever the remote has.
const maxManifest = 256 << 20

// putBytes stores a small object.
func putBytes(ctx context.Context, r storage.Remote, name string, data []byte) error {
	return r.Put(ctx, name, int64(len(data)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
}

// getBytes reads a small object.
func getBytes(ctx context.Context, r storage.Remote, name string) ([]byte, error) {
	in, err := r.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("%w: %s is too large for a manifest", ErrDamaged, name)
	}
	return data, errors.Join(err, in.Close())
}

func decode(name string, data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return nil
}
