package transfer

import (
	"context"
	"errors"
	"io"

	dbclient "stasis/dbserver/client"
)

// What a Remote's errors are, beside those of the context. Test with errors.Is.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("not at the remote")
	// ErrFinal: trying again is of no use.
	ErrFinal = errors.New("the remote refuses for good")
)

// Remote is a store of named objects. Names are relative, with slashes, made of
// letters, digits and ". _ -". All methods may be called from any goroutine. Errors
// carry no credentials. A reader must find what was written before it began (S3,
// WebDAV, SFTP and local disks do that).
type Remote interface {
	// Put stores an object of exactly size bytes, replacing one that is there, and has
	// looked what arrived. After an error it may be there, whole or in part; a part has another size. open gives
	// the content from its beginning, each time it is called.
	Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error
	// Open reads an object from its beginning; ErrNotFound if there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Stat gives an object's size; ErrNotFound if there is none.
	Stat(ctx context.Context, name string) (Object, error)
	// List gives all objects below a folder ("" is all), at any depth, by their whole
	// names, in no order. A folder that does not exist is empty. A list that cannot be
	// had completely is an error.
	List(ctx context.Context, folder string) ([]Object, error)
	// Folders gives the folders directly in a folder, by their whole names, in no
	// order; an empty one need not be named. A folder that does not exist has none.
	Folders(ctx context.Context, folder string) ([]string, error)
	// Remove takes an object away; no error if there is none.
	Remove(ctx context.Context, name string) error
	// Close gives back what the remote holds, credentials first of all.
	Close() error
}

// Object is what a Remote has under a name.
type Object struct {
	Name string
	Size int64
}

// Remotes makes Remotes. Name and path are what client.ParseRemote made of the
// request's remote repository; config has the section of that name, unless it is a
// remote that the operator of this server has defined, and sections that it refers to.
// What may not be is apierror.BadRemote.
type Remotes interface {
	// Check says whether a remote may be used by what it is, and reaches for nothing.
	Check(r dbclient.Remote, config dbclient.RemoteConfig) error
	// Open checks too. The configuration is used for this Remote alone: it is kept
	// nowhere else, and appears in no error and no log. No connection of the Remote goes
	// to one of the addresses.
	Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, own Addresses) (Remote, error)
}

// Addresses gives host:port of every server of the cluster, as far as known. It is
// asked before each connection to a remote.
type Addresses func(ctx context.Context) []string

// Opener is Remotes without rules, for storages that are part of a test.
type Opener func(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig) (Remote, error)

// Check implements Remotes: there are no rules.
func (o Opener) Check(dbclient.Remote, dbclient.RemoteConfig) error { return nil }

// Open implements Remotes.
func (o Opener) Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, _ Addresses) (Remote, error) {
	return o(ctx, r, config)
}
