package fault

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// crash is a power cut of a disk in memory: it makes the disk that is found afterwards. Everything is looked at in the order of the names, so a
// seed leaves the same each time.
type crash struct {
	percent int                    // of what was not synced
	random  *rand.Rand             // nil if percent is 0 and nothing is torn
	torn    func(path string) bool // whether the unsynced writes of a file are torn; counts those that are
	links   map[*inode]int         // how many names an inode has at the moment of the crash
	made    map[*inode]*inode
}

// pageSize is the unit in which the system writes what is not torn.
const pageSize = 4096

func (m *memory) crashed(c crash) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.links, c.made = map[*inode]int{}, map[*inode]*inode{}
	m.root.count(c.links)
	after := newMemory()
	after.root = c.folder("", m.root)
	return after
}

// count counts the names of everything below a folder.
func (n *inode) count(links map[*inode]int) {
	for _, child := range n.names {
		if links[child]++; links[child] == 1 {
			child.count(links)
		}
	}
}

func (c *crash) chance(percent int) bool { return percent > 0 && c.random.IntN(100) < percent }

// of makes what an inode is after the crash. One with several names stays one.
func (c *crash) of(name string, n *inode) *inode {
	if after := c.made[n]; after != nil {
		return after
	}
	var after *inode
	if n.isFolder() {
		after = c.folder(name, n)
	} else {
		after = c.file(name, n)
	}
	c.made[n] = after
	return after
}

// folder decides for each name on which folder and disk differ whether the change has reached the disk. A file that was renamed keeps one of its
// names: that is one change for a file system.
func (c *crash) folder(where string, n *inode) *inode {
	left := maps.Clone(n.synced)
	kept := map[*inode]bool{}
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		now := n.names[name]
		if n.synced[name] != now && c.chance(c.percent) {
			left[name] = now
		}
		if left[name] == now {
			kept[now] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.synced)) {
		was := n.synced[name]
		if n.names[name] == nil && (c.links[was] == 0 || kept[was]) && c.chance(c.percent) {
			delete(left, name)
		}
	}
	after := newFolder()
	for _, name := range slices.Sorted(maps.Keys(left)) {
		after.names[name] = c.of(path.Join(where, name), left[name])
	}
	after.synced = maps.Clone(after.names)
	return after
}

// file keeps what is durable, and of what is dirty some pages, or if it is torn some sectors: the first ones, or any.
func (c *crash) file(name string, n *inode) *inode {
	after := &inode{modified: n.modified, durable: slices.Clone(n.durable)}
	var dirty []int
	n.dirty.each(func(sector int) { dirty = append(dirty, sector) })
	keep := func(sector int) {
		from, to := sector*sectorSize, min((sector+1)*sectorSize, len(n.data))
		if from < to {
			after.durable = grown(after.durable, to)
			copy(after.durable[from:to], n.data[from:to])
		}
	}
	if len(dirty) > 1 && c.torn(name) {
		c.tear(dirty, keep)
	} else {
		page, chosen := -1, false
		for _, sector := range dirty {
			if at := sector * sectorSize / pageSize; at != page {
				page, chosen = at, c.chance(c.percent)
			}
			if chosen {
				keep(sector)
			}
		}
	}
	after.data = slices.Clone(after.durable)
	return after
}

// tear keeps at least one sector and loses at least one.
func (c *crash) tear(dirty []int, keep func(int)) {
	if c.random.IntN(2) == 0 {
		for _, sector := range dirty[:1+c.random.IntN(len(dirty)-1)] {
			keep(sector)
		}
		return
	}
	lost, kept := c.random.IntN(len(dirty)), c.random.IntN(len(dirty)-1)
	if kept >= lost {
		kept++
	}
	for i, sector := range dirty {
		if i == kept || i != lost && c.random.IntN(2) == 0 {
			keep(sector)
		}
	}
}
