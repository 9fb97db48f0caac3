package rclone

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/rclone/rclone/fs"
)

// silence discards what rclone logs. It applies to the whole process.
var silence = sync.OnceFunc(func() { fs.SetLogger(slog.DiscardHandler) })

// Backends names the kinds of storage that are built in.
func Backends() []string {
	var names []string
	for _, r := range fs.Registry {
		if !r.Hide {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// All says whether every backend that rclone has was asked for.
func All() bool { return all }
