package storage

import (
	"context"
	"errors"
	"io"
	"strings"

	dbclient "stasis/dbserver/client"
)

// Errors of a Remote, beside those of the context. Test with errors.Is.
var (
	// ErrNotFound is returned when there is no such object.
	ErrNotFound = errors.New("not at the remote")
	// ErrFinal is returned when the same call would fail again.
	ErrFinal = errors.New("the remote refuses for good")
	// ErrLocal marks an error of this server in a call of a Remote, such as one of its
	// disk. The call is not repeated.
	ErrLocal = errors.New("on this server")
)

// Remote is a store of named objects. Names are relative, with slashes, made of letters,
// digits and ". _ -". All methods may be called from any goroutine. Errors carry no
// credentials. A reader must find what was written before it began (S3, WebDAV, SFTP and
// local disks do that).
type Remote interface {
	// Put stores an object of exactly size bytes, replaces one that is there, and looks
	// at what arrived. After an error the object may be there, whole or in part; a part
	// has another size. open returns the content from its beginning, each time it is
	// called.
	Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error
	// Open reads an object from its beginning; ErrNotFound if there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Stat returns an object's size; ErrNotFound if there is none.
	Stat(ctx context.Context, name string) (Object, error)
	// List returns all objects below a folder ("" is all), at any depth, by their whole
	// names, in no order. A folder that does not exist is empty. An incomplete list is
	// an error.
	List(ctx context.Context, folder string) ([]Object, error)
	// Folders returns the folders directly in a folder, by their whole names, in no
	// order; it may leave out an empty one. A folder that does not exist has none.
	Folders(ctx context.Context, folder string) ([]string, error)
	// Remove removes an object; no error if there is none.
	Remove(ctx context.Context, name string) error
	// Close gives back what the remote holds, credentials first of all.
	Close() error
}

// Object is what a Remote has under a name.
type Object struct {
	Name string
	Size int64
}

// FolderImmutable is the folder of objects whose content never changes under their name,
// other than by damage. A Remote may remember their sizes.
const FolderImmutable = "blobs"

// Immutable says whether an object is in [FolderImmutable].
func Immutable(name string) bool { return strings.HasPrefix(name, FolderImmutable+"/") }

// Remotes makes Remotes. Name and path are what client.ParseRemote made of the request's
// remote repository. config has the section of that name, unless the operator of this
// server has defined the remote, and sections that it refers to. What is not allowed is
// apierror.BadRemote.
type Remotes interface {
	// Check says whether a remote may be used. It connects to nothing.
	Check(r dbclient.Remote, config dbclient.RemoteConfig) error
	// Open checks too. It uses the configuration for this Remote alone: the
	// configuration is kept nowhere else, and appears in no error and no log. The Remote
	// connects to none of the addresses.
	Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, own Addresses) (Remote, error)
}

// Addresses returns host:port of every server of the cluster, as far as known. It is
// called before each connection to a remote.
type Addresses func(ctx context.Context) []string

// Opener is Remotes without rules, for storages that are part of a test.
type Opener func(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig) (Remote, error)

// Check implements Remotes: there are no rules.
func (o Opener) Check(dbclient.Remote, dbclient.RemoteConfig) error { return nil }

// Open implements Remotes.
func (o Opener) Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, _ Addresses) (Remote, error) {
	return o(ctx, r, config)
}
