package signingkey

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
)

const (
	pemType  = "PRIVATE KEY"
	mostSize = 16 << 10 // of a file
)

// Read reads the key in a file, which must be readable by its user alone. Its errors quote nothing
// of the file.
func Read(path string) (*Key, error) {
	key, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return key, nil
}

func read(path string) (key *Key, err error) {
	if info, err := os.Stat(path); err != nil { // to open a pipe would wait for its writer
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat() // of what is read, whatever has the name now
	if err != nil {
		return nil, err
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, mostSize))
	if err != nil {
		return nil, err
	}
	return parse(path, text)
}

// private refuses a file that others may read or change.
func private(path string, info fs.FileInfo) error {
	if runtime.GOOS == "windows" { // its modes say nothing
		return nil
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so other users may read or change it: if it was never readable by them, chmod 600 %s; otherwise make a new key", path, mode, path)
	}
	if !ofOurs(info) {
		return fmt.Errorf("%s belongs to another user", path)
	}
	return nil
}

// parse does not pass on what a decoder says of a secret.
func parse(path string, text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s has no PEM block %q, which is an unencrypted PKCS #8 key: make one with \"stasis key new\"", path, pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, fits := parsed.(ed25519.PrivateKey)
	if err != nil || !fits {
		return nil, fmt.Errorf("%s has a private key that is no Ed25519 key: make one with \"stasis key new\"", path)
	}
	return &Key{private}, nil
}

// Create makes a key, and writes it into a new file, durably. An error matches fs.ErrExist if there
// is a file already, which is then unchanged.
func Create(path string) (*Key, error) {
	key, err := New()
	if err != nil {
		return nil, err
	}
	if err := key.write(path); err != nil {
		return nil, fmt.Errorf("write a signing key: %w", err)
	}
	return key, nil
}

// ReadOrCreate reads the key in a file, and makes one if the file does not exist. If two make one at
// once, both have that of the first.
func ReadOrCreate(path string) (*Key, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		key, err := Create(path)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return key, err
		}
	}
	return Read(path)
}

// write gives the file its name when it is complete: half a key would be no key for ever.
func (k *Key) write(path string) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".signing-key-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it replaces nothing
		return err
	}
	return datadir.SyncDir(vfs.Default, dir)
}
