package piece

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// hashBuffer is how many bytes are read between two looks at the context.
const hashBuffer = 1 << 20

// Hash reads a whole file and returns its SHA-256 in hex. It stops when ctx ends.
func Hash(ctx context.Context, fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return "", err
	}
	sum, buffer := sha256.New(), make([]byte, hashBuffer)
	for err == nil {
		var n int
		n, err = f.Read(buffer)
		sum.Write(buffer[:n])
		if err == nil {
			err = ctx.Err()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
