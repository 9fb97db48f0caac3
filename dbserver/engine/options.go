package engine

import (
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/diskhealth"
	"stasis/internal/wall"
)

// Defaults of Options.
const (
	DefaultCacheBytes    = 256 << 20
	DefaultMemTableBytes = 64 << 20
	DefaultSyncInterval  = 50 * time.Millisecond
	DefaultSyncBound     = time.Second
)

// Pebble stalls writers at these bounds. They leave room above what is normal,
// so that the rotation of a cut does not meet a stall.
const (
	memTableStopCount = 4
	l0StopReadAmp     = 20
)

// Options say how to open an engine. The zero value is usable.
type Options struct {
	FS            vfs.FS        // nil: the operating system's
	Logger        hclog.Logger  // nil: none
	CacheBytes    int64         // block cache; 0: DefaultCacheBytes
	MemTableBytes uint64        // 0: DefaultMemTableBytes
	SyncInterval  time.Duration // longest that a commit without sync stays unsynced; 0: DefaultSyncInterval
	ReadOnly      bool          // nothing in the directory is changed, not even its lock file
	MustExist     bool          // an engine must be there; otherwise an empty one is made
	NoCompactions bool          // tables stay as they are: for an engine that is read, and whose new tables are in memory

	Health    *diskhealth.Watch // of the disk; nil: calls wait for the disk as long as it takes
	Scrub     *Scrub            // nil: tables are not read but by who needs them
	SyncBound time.Duration     // age of the oldest commit not on disk from which new writes are refused; 0: DefaultSyncBound
}

// Scrub has the engine read its tables now and then; see package scrub.
type Scrub struct {
	Hold  func() bool                   // nothing is read while it is true
	Found func(table string, why error) // called, once in a process, for each table that is damaged
	Wall  wall.Clock                    // when tables are read again
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = DefaultMemTableBytes
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = DefaultSyncInterval
	}
	if o.SyncBound == 0 {
		o.SyncBound = DefaultSyncBound
	}
	if o.ReadOnly {
		o.MustExist = true
	}
	return o
}

// pebble translates to Pebble's options, on fs.
func (o Options) pebble(fs vfs.FS, log pebble.Logger, events *pebble.EventListener) *pebble.Options {
	l0Stop := l0StopReadAmp
	if o.NoCompactions { // nothing would end a stall
		l0Stop = math.MaxInt32
	}
	return &pebble.Options{
		FS:                          fs,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: memTableStopCount,
		L0StopWritesThreshold:       l0Stop,
		DisableAutomaticCompactions: o.NoCompactions,
		FormatMajorVersion:          pebble.FormatNewest,
		ErrorIfNotExists:            o.MustExist,
		ReadOnly:                    o.ReadOnly,
		Logger:                      log,
		EventListener:               events,
	}
}
