// Package remotetest is for tests: a [storage.Remote] in memory that can be made to
// fail, and a suite of checks that every Remote must pass.
package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
)

// Call is a call of a Remote, as a hook sees it.
type Call struct {
	Op   string // "put", "open", "stat", "list", "folders", "remove"
	Name string
}

// Memory is a storage in memory. Every Opener's remote sees the same objects.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	sent    int64
	calls   int

	// Hook, if set, is called before every call, which fails with its error. It may
	// wait. Set it while no call runs.
	Hook func(ctx context.Context, c Call) error
	// Limit, if not 0, is the space: what does not fit leaves a part and fails.
	Limit int64
}

// NewMemory makes an empty storage.
func NewMemory() *Memory { return &Memory{objects: map[string][]byte{}} }

// Opener opens the storage below the path, whatever the configuration.
func (m *Memory) Opener() storage.Opener {
	return func(_ context.Context, r dbclient.Remote, _ dbclient.RemoteConfig) (storage.Remote, error) {
		return &opened{m, strings.Trim(r.Path, "/")}, nil
	}
}

// Remote is the storage itself.
func (m *Memory) Remote() storage.Remote { return &opened{m, ""} }

// Objects copies what is stored, by whole name.
func (m *Memory) Objects() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.objects)
}

// Change replaces an object's content, or removes it with nil.
func (m *Memory) Change(name string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects[name] = content; content == nil {
		delete(m.objects, name)
	}
}

// Sent counts the bytes that were sent below blobs, and all calls.
func (m *Memory) Sent() (bytes int64, calls int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent, m.calls
}

type opened struct {
	*Memory
	root string
}

func (o *opened) at(name string) string {
	if o.root == "" {
		return name
	}
	return strings.TrimSuffix(o.root+"/"+name, "/")
}

func (o *opened) before(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	o.calls++
	o.mu.Unlock()
	if o.Hook == nil {
		return nil
	}
	return o.Hook(ctx, Call{op, name})
}

// errFull is a full storage's.
var errFull = errors.New("no space left at the remote")

// Put implements [storage.Remote].
func (o *opened) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	if err := o.before(ctx, "put", name); err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("put %s: %d bytes instead of %d", name, len(data), size)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if strings.HasPrefix(name, "blobs/") {
		o.sent += size
	}
	used := int64(0)
	for _, d := range o.objects {
		used += int64(len(d))
	}
	if o.Limit > 0 && used+size > o.Limit {
		o.objects[o.at(name)] = data[:max(0, min(size-1, o.Limit-used))]
		return errFull
	}
	o.objects[o.at(name)] = data
	return nil
}

// Open implements [storage.Remote].
func (o *opened) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := o.before(ctx, "open", name); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	data, found := o.objects[o.at(name)]
	if !found {
		return nil, storage.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Stat implements [storage.Remote].
func (o *opened) Stat(ctx context.Context, name string) (storage.Object, error) {
	if err := o.before(ctx, "stat", name); err != nil {
		return storage.Object{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	data, found := o.objects[o.at(name)]
	if !found {
		return storage.Object{}, storage.ErrNotFound
	}
	return storage.Object{Name: name, Size: int64(len(data))}, nil
}

// List implements [storage.Remote].
func (o *opened) List(ctx context.Context, folder string) ([]storage.Object, error) {
	if err := o.before(ctx, "list", folder); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []storage.Object
	below := o.at(folder)
	for name, data := range o.objects {
		if below == "" || strings.HasPrefix(name, below+"/") {
			if o.root != "" {
				name = strings.TrimPrefix(name, o.root+"/")
			}
			found = append(found, storage.Object{Name: name, Size: int64(len(data))})
		}
	}
	return found, nil
}

// Folders implements [storage.Remote].
func (o *opened) Folders(ctx context.Context, folder string) ([]string, error) {
	if err := o.before(ctx, "folders", folder); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	found := map[string]bool{}
	below := path.Join(o.root, folder)
	for name := range o.objects {
		rest, inside := strings.CutPrefix(name, below+"/")
		if below == "" {
			rest, inside = name, true
		}
		if first, _, deeper := strings.Cut(rest, "/"); inside && deeper {
			found[path.Join(folder, first)] = true
		}
	}
	return slices.Collect(maps.Keys(found)), nil
}

// Remove implements [storage.Remote].
func (o *opened) Remove(ctx context.Context, name string) error {
	if err := o.before(ctx, "remove", name); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.objects, o.at(name))
	return nil
}

// Close implements [storage.Remote].
func (o *opened) Close() error { return nil }
