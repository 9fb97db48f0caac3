package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Harm is what silent damage does to a file. Where it does so is drawn.
type Harm int

// The harms.
const (
	FlipBit    Harm = iota // one bit has another value
	ZeroSector             // a sector of 512 bytes has zeros
	CutOff                 // the end of the file is gone
)

// Damage damages every file below a folder that is selected and not empty, silently: no program is told, what is damaged is on the disk, and a file that
// is open is read as damaged. Where the damage is in a file is drawn with random. It returns the paths of the files that were damaged, in order; none is no
// error. files nil selects all. Other hard links of a file show the same damage.
func (d *Disk) Damage(folder string, files func(path string) bool, how Harm, random *rand.Rand) (damaged []string, err error) {
	d.mu.Lock()
	below := d.below
	d.mu.Unlock()
	names, err := below.List(folder)
	if err != nil {
		return nil, fmt.Errorf("damage files in %s: %w", folder, err)
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		at := below.PathJoin(folder, name)
		info, err := below.Stat(at)
		switch {
		case err != nil:
			return damaged, fmt.Errorf("damage %s: %w", at, err)
		case info.IsDir():
			more, err := d.Damage(at, files, how, random)
			if damaged = append(damaged, more...); err != nil {
				return damaged, err
			}
		case info.Size() > 0 && (files == nil || files(at)):
			if err := harm(below, at, how.wound(int(info.Size()), random)); err != nil {
				return damaged, fmt.Errorf("damage %s: %w", at, err)
			}
			damaged = append(damaged, at)
		}
	}
	return damaged, nil
}

// wound chooses where a file of so many bytes is damaged, and returns what damages its content.
func (h Harm) wound(size int, random *rand.Rand) func([]byte) []byte {
	at, bit := random.IntN(size), random.IntN(8)
	return func(data []byte) []byte {
		at := min(at, len(data)-1)
		switch {
		case at < 0:
		case h == CutOff:
			return data[:at]
		case h == ZeroSector:
			from := at / sectorSize * sectorSize
			clear(data[from:min(from+sectorSize, len(data))])
		default:
			data[at] ^= 1 << bit
		}
		return data
	}
}

// harm changes a file past the programs that use it.
func harm(below vfs.FS, name string, wound func([]byte) []byte) error {
	if m, ok := below.(*memory); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		n, err := m.find("damage", path.Clean(name))
		if err != nil {
			return err
		}
		n.data, n.durable = wound(n.data), wound(n.durable)
		return nil
	}
	if vfs.Root(below) != vfs.Default {
		return errors.New("only files in memory and files of the operating system can be damaged")
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	was, err := os.ReadFile(name)
	if err == nil {
		err = change(f, was, wound(slices.Clone(was)))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// change makes a file other than it was, and writes nothing that is the same: a program may write to the file meanwhile.
func change(f *os.File, was, now []byte) error {
	if len(now) < len(was) {
		return f.Truncate(int64(len(now)))
	}
	for from := range now {
		if now[from] == was[from] {
			continue
		}
		to := len(now)
		for now[to-1] == was[to-1] {
			to--
		}
		_, err := f.WriteAt(now[from:to], int64(from))
		return err
	}
	return nil
}
