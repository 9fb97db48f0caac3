package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
)

// The kinds of Raft's log in a data directory.
const (
	// LogBolt is one file, a B+ tree, which has the votes too. It takes two syncs for each entry.
	LogBolt = "bolt"
	// LogWAL is a directory of segments that are only appended to. It takes one sync for each
	// entry. The votes are in a Bolt file beside it.
	LogWAL = "wal"
)

// layout says how a data directory keeps Raft's log and votes. A directory keeps the layout that it
// was made with.
type layout struct {
	kind   string // LogBolt or LogWAL
	log    string // name of the log
	stable string // name of the stable store: term and vote; "": the log has them
	files  bool   // nothing of it is Bolt's
}

// segments is the name of the list of segments of a layout without Bolt.
func (l layout) segments() string { return l.log + ".list" }

// Every layout has names of its own, so that a directory that has lost a part is never taken for one
// with another layout: a log whose votes were lost must not look like one that has them.
var (
	boltLayout = layout{kind: LogBolt, log: "raft.db"}
	walLayout  = layout{kind: LogWAL, log: "raft-log", stable: "raft-stable.db"}
	// walAlone was made by earlier versions, on request. The votes are in the meta store of the
	// write-ahead log.
	walAlone = layout{kind: LogWAL, log: "raft-wal"}
	// filesLayout is made on a file system that is given (Config.FS), where Bolt cannot map its files: the votes and the list
	// of segments are small files that are replaced as a whole.
	filesLayout = layout{kind: LogWAL, log: "raft-segments", stable: "raft-votes", files: true}

	layouts = []layout{boltLayout, walLayout, walAlone, filesLayout}
)

// presence says which of a layout's names exist.
type presence struct{ log, stable bool }

func (p presence) any() bool { return p.log || p.stable }

// look says which of the layout's names a directory has.
func (l layout) look(fs vfs.FS, dir *datadir.Dir) (p presence, err error) {
	if p.log, err = exists(fs, dir.Path(l.log)); err != nil || l.stable == "" {
		return p, err
	}
	p.stable, err = exists(fs, dir.Path(l.stable))
	return p, err
}

func exists(fs vfs.FS, path string) (bool, error) {
	switch _, err := fs.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for Raft's log: %w", err)
	}
	return true, nil
}

// findLayout returns the layout of a directory, nil if it has nothing of Raft. A directory with more
// than one layout is refused, because it cannot be told which of the logs is the newer one.
func findLayout(fs vfs.FS, dir *datadir.Dir) (*layout, error) {
	var found []layout
	for _, l := range layouts {
		p, err := l.look(fs, dir)
		if err != nil {
			return nil, err
		}
		if p.any() {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	var names []string
	for _, l := range found {
		names = append(names, dir.Path(l.log))
	}
	slices.Sort(names)
	return nil, fmt.Errorf("there is Raft's log more than once: %s. Keep the one that the agent ran with last, move the others away", strings.Join(names, " and "))
}

// chooseLayout returns the layout that the directory has, or the wanted kind if it has none, or the
// write-ahead log if nothing is wanted. A directory with another kind than the wanted one is refused.
func chooseLayout(p place, dir *datadir.Dir, want string) (layout, error) {
	has, err := findLayout(p.fs, dir)
	switch {
	case err != nil:
		return layout{}, err
	case has != nil && want != "" && want != has.kind:
		return layout{}, fmt.Errorf("the data directory has Raft's log as %s, not as %s: for another log the agent starts with an empty directory, and gets everything from the others", has.kind, want)
	case has != nil:
		return *has, nil
	case p.given && want == LogBolt:
		return layout{}, errors.New("a Bolt log maps its file into memory, which only the system's own file system can do: ask for the write-ahead log")
	case p.given:
		return filesLayout, nil
	case want == LogBolt:
		return boltLayout, nil
	}
	return walLayout, nil
}
