package sums

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/failpoint"
)

// File is the name of the file in the engine's directory. It is no content of a backup.
const File = "SUMS"

// fileTemp is the file while it is written. One that a crash left is replaced.
const fileTemp = "SUMS.tmp"

// format is the number in the file.
const format = 1

// IsOwn says whether a name in an engine's directory is one of this package's.
func IsOwn(name string) bool { return name == File || name == fileTemp }

// content is the first line of the file; the second is its SHA-256.
type content struct {
	Format int             `json:"format"`
	Tables map[string]line `json:"tables"`
}

type line struct {
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	Inode   uint64 `json:"inode,omitempty"`
	Written int64  `json:"written"`
	Read    int64  `json:"read,omitempty"`
}

// Load adds what the file says of tables that the engine's version has and that are still the same files.
// It is called when the engine is open, before Run: what the opening has written is known already.
func (b *Book) Load(version []string) error {
	stored, err := read(b.fs, b.dir)
	for _, name := range version {
		if s, there := stored[name]; there {
			info, err := b.fs.Stat(b.fs.PathJoin(b.dir, name))
			if err == nil && s.describes(info) {
				b.addStored(name, s)
			}
		}
		b.Installed(name)
	}
	b.stored = stored
	return err
}

// addStored adds a sum of the file, unless the table was written since.
func (b *Book) addStored(name string, s Sum) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, newer := b.sums[name]; !newer {
		b.sums[name] = s
	}
}

// read returns what the file in dir says; nothing if there is no file.
func read(disk vfs.FS, dir string) (map[string]Sum, error) {
	file, err := disk.Open(disk.PathJoin(dir, File), vfs.SequentialReadsOption)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	body, check, _ := bytes.Cut(data, []byte("\n"))
	if string(check) != checkOf(body) && !failpoint.Off("sums-are-checked") {
		return nil, fmt.Errorf("%s is damaged", File)
	}
	var c content
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	if c.Format != format {
		return nil, fmt.Errorf("%s has format %d, and this version knows %d", File, c.Format, format)
	}
	stored := make(map[string]Sum, len(c.Tables))
	for name, l := range c.Tables {
		stored[name] = Sum{Size: l.Size, SHA256: l.SHA256, file: witness{inode: l.Inode, written: l.Written}, read: l.Read}
	}
	return stored, nil
}

func checkOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]) + "\n"
}

// save writes the file if it lacks a sum.
func (b *Book) save() error {
	known, lacking := b.kept()
	if !lacking {
		return nil
	}
	if err := write(b.fs, b.dir, known); err != nil {
		return err // the next save tries again
	}
	b.stored = known
	return nil
}

// kept returns the sums that the file should have, and whether it lacks one of them. The name of a table
// that is not installed may be given to another table after a crash.
func (b *Book) kept() (known map[string]Sum, lacking bool) {
	known = map[string]Sum{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, s := range b.sums {
		if !b.installed[name] && !failpoint.Off("sum-of-installed-table") {
			continue
		}
		known[name] = s
		lacking = lacking || b.stored[name] != s
	}
	return known, lacking
}

// Write makes the file of an engine that is not open, for tables that were put into its directory. sums
// has the SHA-256 of each in hex, which the caller vouches for.
func Write(disk vfs.FS, dir string, sums map[string]string) error {
	known := map[string]Sum{}
	for name, sum := range sums {
		info, err := disk.Stat(disk.PathJoin(dir, name))
		if err != nil {
			return err
		}
		known[name] = Sum{Size: info.Size(), SHA256: sum, file: witnessOf(info)}
	}
	return write(disk, dir, known)
}

func write(disk vfs.FS, dir string, known map[string]Sum) error {
	c := content{Format: format, Tables: make(map[string]line, len(known))}
	for name, s := range known {
		c.Tables[name] = line{Size: s.Size, SHA256: s.SHA256, Inode: s.file.inode, Written: s.file.written, Read: s.read}
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	check := checkOf(body)
	temp := disk.PathJoin(dir, fileTemp)
	file, err := disk.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(append(append(body, '\n'), check...))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return disk.Rename(temp, disk.PathJoin(dir, File))
}
