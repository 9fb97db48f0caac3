package store

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"stasis/internal/datadir"
)

const (
	// walMaxBody bounds a request's body. The segments hold no entry above 64 MiB, which raft-wal
	// notices only when it reads the entry. An entry is its request and a few bytes.
	walMaxBody = 63 << 20
	// walMaxEntry leaves room for what an entry has beside what it carries.
	walMaxEntry = 64<<20 - 64<<10
	// walSegment is the size of a segment's file, which is allocated at once.
	walSegment = 16 << 20
	// memorySegment is the size of a segment of a log in memory, of which a process may have hundreds. It is not allocated
	// ahead, and the last entry may exceed it.
	memorySegment = 256 << 10
)

// walFiles are the files of a write-ahead log.
type walFiles struct {
	fs       vfs.FS
	dir      string
	segments *segment.Filer
	size     int                    // of a segment
	list     func() types.MetaStore // the list of segments, not loaded
	listPath string
	logger   hclog.Logger
}

// systemWAL are files that are made with the calls of the operating system.
func systemWAL(dir string, logger hclog.Logger) walFiles {
	return walFiles{
		fs: vfs.Default, dir: dir, segments: segment.NewFiler(dir, fs.New()), size: walSegment,
		list:     func() types.MetaStore { return &metadb.BoltMetaDB{} },
		listPath: vfs.Default.PathJoin(dir, metadb.FileName), logger: logger,
	}
}

// walOf are the files of a layout's write-ahead log.
func walOf(p place, dir *datadir.Dir, l layout, logger hclog.Logger) walFiles {
	files := systemWAL(dir.Path(l.log), logger)
	if p.given {
		files.fs, files.segments = p.fs, segment.NewFiler(files.dir, segmentFiles{p.fs})
		if vfs.Root(p.fs) != vfs.Default {
			files.size = memorySegment
		}
	}
	if l.files {
		files.list = func() types.MetaStore { return newSegmentList(dir, l.segments()) }
		files.listPath = dir.Path(l.segments())
	}
	return files
}

// begun reports whether there is a list of segments.
func (w walFiles) begun() (bool, error) { return exists(w.fs, w.listPath) }
