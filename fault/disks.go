package fault

import (
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disks are the disks of a cluster's servers, by their names. All methods may be called from any goroutine.
type Disks struct {
	below vfs.FS // nil: each is in memory
	mu    sync.Mutex
	disks map[string]*Disk
}

// NewDisks makes disks in memory, which can crash.
func NewDisks() *Disks { return &Disks{disks: map[string]*Disk{}} }

// WrapDisks makes disks that are all on one file system, as vfs.Default, where each server has its own folder.
func WrapDisks(below vfs.FS) *Disks { return &Disks{below: below, disks: map[string]*Disk{}} }

// Of is the disk of a server. The first call makes it.
func (d *Disks) Of(server string) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.disks[server]
	if disk == nil {
		disk = NewDisk()
		if d.below != nil {
			disk = WrapDisk(d.below)
		}
		d.disks[server] = disk
	}
	return disk
}

// FS is the disk of a server as the server uses it when it starts now: see [Disk.FS].
func (d *Disks) FS(server string) vfs.FS { return d.Of(server).FS() }

// HealAll ends all faults of all disks.
func (d *Disks) HealAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, server := range slices.Sorted(maps.Keys(d.disks)) {
		d.disks[server].HealAll()
	}
}
