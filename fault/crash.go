package fault

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// crash is a power cut of a disk in memory: it makes the disk that is found afterwards. Everything is looked at in the order of the names, and
// what becomes of a change of a name is drawn from the name: a seed leaves the same each time, in whatever order programs run.
type crash struct {
	percent int                    // of what was not synced
	random  *rand.Rand             // nil if percent is 0 and nothing is torn
	torn    func(path string) bool // whether the unsynced writes of a file are torn; counts those that are
	left    map[*inode]map[string]*inode
	made    map[*inode]*inode
}

// pageSize is the unit in which the system writes what is not torn.
const pageSize = 4096

func (m *memory) crashed(c crash) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.left, c.made = map[*inode]map[string]*inode{}, map[*inode]*inode{}
	alive := map[*inode]bool{}
	m.root.walk(alive)
	c.names(m.log.list, alive)
	after := newMemory()
	after.root = c.folder("", m.root)
	return after
}

func (c *crash) chance(percent int) bool { return percent > 0 && c.random.IntN(100) < percent }

// walk notes all that can be reached.
func (n *inode) walk(alive map[*inode]bool) {
	if alive[n] {
		return
	}
	alive[n] = true
	for _, below := range n.names {
		below.walk(alive)
	}
}

// names decides for each change of a name whether it has reached the disk. One that has not keeps those from it that follow it, and
// the folder that it is in from being removed if what it is about is alive elsewhere. A file that was renamed has one of its names, or both: POSIX
// does not exclude it. Never none.
func (c *crash) names(list []*nameChange, alive map[*inode]bool) {
	if c.percent == 0 {
		return
	}
	seed := c.random.Uint64()
	var lost []*nameChange
	for _, change := range list {
		draw := change.draw(seed)
		kept := draw.IntN(100) < c.percent && !slices.ContainsFunc(lost, func(earlier *nameChange) bool {
			return change.follows(earlier) || alive[earlier.nodes[0]] && change.clears(earlier)
		})
		whole := kept && (len(change.sets) == 1 || change.moves() || draw.IntN(100) < c.percent)
		if kept {
			change.sets[0].of(c.of(change.sets[0].folder))
		}
		if whole && len(change.sets) > 1 {
			change.sets[1].of(c.of(change.sets[1].folder))
		}
		if !whole {
			lost = append(lost, change)
		}
	}
}

// draw gives what the fate of a change is drawn with.
func (c *nameChange) draw(seed uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", c.path, c.nth) // a hash takes all
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// of are the names that are left in a folder.
func (c *crash) of(folder *inode) map[string]*inode {
	if c.left[folder] == nil {
		c.left[folder] = maps.Clone(folder.synced)
	}
	return c.left[folder]
}

// node makes what an inode is after the crash. One with several names stays one.
func (c *crash) node(name string, n *inode) *inode {
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

func (c *crash) folder(where string, n *inode) *inode {
	left := c.of(n)
	after := newFolder()
	for _, name := range slices.Sorted(maps.Keys(left)) {
		after.names[name] = c.node(path.Join(where, name), left[name])
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
