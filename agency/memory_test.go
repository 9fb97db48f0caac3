package agency

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/fault"
	"stasis/internal/datadir"
)

// memoryDir is where an agent in memory keeps its data.
const memoryDir = "agent"

// memory is the disk of an agent in memory. As a store of notes it is for an agent that does not run.
type memory struct {
	*fault.Disk
	id string
}

// newMemory makes the empty disk of the agent "AGNT-name".
func newMemory(name string) *memory { return &memory{fault.NewDisk(), "AGNT-" + name} }

// freeze makes all calls hang until thaw is called.
func (m *memory) freeze() (thaw func()) { return m.Hang(fault.Calls{Kinds: fault.Any}).End }

// ReadNote implements note.Store.
func (m *memory) ReadNote(name string) ([]byte, error) {
	f, err := m.FS().Open(memoryDir + "/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	return raw, errors.Join(err, f.Close())
}

// WriteNote implements note.Store. A new directory becomes that of the agent.
func (m *memory) WriteNote(name string, data []byte) error {
	d, err := datadir.Open(m.FS(), memoryDir, datadir.Agent, func() string { return m.id })
	if err != nil {
		return err
	}
	return errors.Join(d.WriteNote(name, data), d.Close())
}

// RemoveNote implements note.Store.
func (m *memory) RemoveNote(name string) error {
	return m.FS().Remove(memoryDir + "/" + name)
}

// inMemory has a lone agent keep its data in memory.
func inMemory(m *memory) func(*Config) {
	return func(c *Config) { c.Dir, c.FS = memoryDir, m.FS() }
}

// fsOf is the file system of an agent; nil for one on the real disk.
func (c *cluster) fsOf(name string) (dir string, fs vfs.FS) {
	if dir = c.dirs[name]; dir != "" {
		return dir, nil
	}
	return memoryDir, c.stores[name].FS()
}
