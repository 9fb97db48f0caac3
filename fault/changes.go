package fault

import (
	"path"
	"slices"
)

// entry is what a change makes of a name in a folder: node nil removes it.
type entry struct {
	folder *inode
	name   string
	node   *inode
}

func (e entry) of(names map[string]*inode) {
	if e.node == nil {
		delete(names, e.name)
	} else {
		names[e.name] = e.node
	}
}

// nameChange is one operation on names. A file system with a journal, as ext4, does it whole or not at all.
type nameChange struct {
	sets  []entry
	nodes []*inode // whose names it changes
	path  string   // where it was, and which one of those there it is: what a crash leaves is drawn from it
	nth   int
}

// tally counts changes at one path.
type tally struct {
	made  int // the number of the last one
	alive int // those that are not durable
}

// changes are those that are not durable, in their order.
type changes struct {
	list  []*nameChange
	count map[string]tally // by path, of paths that have some
}

// mostChanges bounds the list. A system writes its journal out every few seconds: what so many other changes have followed is on the disk.
const mostChanges = 1024

func (l *changes) do(at string, e entry, nodes ...*inode) { l.add(at, []entry{e}, nodes) }

// rename gives a node another name. A folder does not have two names at any time.
func (l *changes) rename(at string, to, from entry, over *inode) {
	nodes := []*inode{to.node}
	if over != nil {
		nodes = append(nodes, over)
	}
	l.add(at, []entry{to, from}, nodes)
}

func (l *changes) add(at string, sets []entry, nodes []*inode) {
	for _, e := range sets {
		e.of(e.folder.names)
	}
	if l.count == nil {
		l.count = map[string]tally{}
	}
	at = path.Clean("/" + at)
	there := l.count[at]
	there.made, there.alive = there.made+1, there.alive+1
	l.count[at] = there
	l.list = append(l.list, &nameChange{sets: sets, nodes: nodes, path: at, nth: there.made})
	if len(l.list) > mostChanges {
		l.apply(l.list[0])
		l.list = slices.Delete(l.list, 0, 1)
	}
}

// apply makes a change durable, which the caller takes out of the list.
func (l *changes) apply(c *nameChange) {
	for _, e := range c.sets {
		e.of(e.folder.synced)
	}
	there := l.count[c.path]
	if there.alive--; there.alive == 0 {
		delete(l.count, c.path)
		return
	}
	l.count[c.path] = there
}

// moves reports whether a folder gets another place. Folders that are moved one after the other keep that order: or one could be in itself.
func (c *nameChange) moves() bool { return len(c.sets) == 2 && c.sets[0].node.isFolder() }

// follows reports whether c, which is later, is not on a disk without earlier: both are about one name, or about one file.
func (c *nameChange) follows(earlier *nameChange) bool {
	for _, e := range c.sets {
		if slices.ContainsFunc(earlier.sets, func(other entry) bool { return e.folder == other.folder && e.name == other.name }) {
			return true
		}
	}
	return c.moves() && earlier.moves() || slices.ContainsFunc(c.nodes, func(n *inode) bool { return slices.Contains(earlier.nodes, n) })
}

// clears reports whether c, which is later, removes the folder that earlier is in. What is not reached any more needs no sync.
func (c *nameChange) clears(earlier *nameChange) bool {
	return c.sets[0].node == nil && slices.ContainsFunc(earlier.sets, func(e entry) bool { return e.folder == c.nodes[0] })
}

// sync makes the changes of a folder durable, whole, with those that they follow.
func (l *changes) sync(folder *inode) {
	durable := make([]bool, len(l.list))
	for i, c := range slices.Backward(l.list) {
		durable[i] = slices.ContainsFunc(c.sets, func(e entry) bool { return e.folder == folder })
		for later := i + 1; later < len(l.list) && !durable[i]; later++ {
			durable[i] = durable[later] && (l.list[later].follows(c) || l.list[later].clears(c))
		}
	}
	at := -1
	l.list = slices.DeleteFunc(l.list, func(c *nameChange) bool {
		if at++; durable[at] {
			l.apply(c)
		}
		return durable[at]
	})
}
