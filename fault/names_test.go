package fault_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/fault"
)

// tree is what there is below a folder: each file as path=content, each empty folder as path/.
func tree(t require.TestingT, fs vfs.FS, dir string) (all []string) {
	names, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		at := path.Join(dir, name)
		info, err := fs.Stat(at)
		require.NoError(t, err)
		if info.IsDir() {
			below := tree(t, fs, at)
			if len(below) == 0 {
				below = []string{at + "/"}
			}
			all = append(all, below...)
			continue
		}
		content, err := readAll(fs, at)
		require.NoError(t, err)
		all = append(all, at+"="+content)
	}
	return all
}

// writer makes files whose content is synced, and says which one is which.
type writer struct {
	require.TestingT
	fs vfs.FS
}

func (w writer) create(name, content string) {
	f, err := w.fs.Create(name, unspecified)
	require.NoError(w, err)
	_, err = f.Write([]byte(content))
	require.NoError(w, err)
	require.NoError(w, f.Sync())
	require.NoError(w, f.Close())
}

func (w writer) rename(from, to string) { require.NoError(w, w.fs.Rename(from, to)) }
func (w writer) remove(name string)     { require.NoError(w, w.fs.Remove(name)) }

func (w writer) sync(dir string) {
	d, err := w.fs.OpenDir(dir)
	require.NoError(w, err)
	require.NoError(w, d.Sync())
	require.NoError(w, d.Close())
}

// What a power cut may leave of changes that were not synced, and nothing else: all that ext4 and POSIX allow, and no more.
func TestWhatACrashMayLeave(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w writer)
		want []string // the trees
	}{
		"a removal of all is half done": {
			func(w writer) { require.NoError(w, w.fs.RemoveAll("a/s")) },
			[]string{"a/s/x=x a/s/y=y b/z=z", "a/s/x=x b/z=z", "a/s/y=y b/z=z", "a/s/ b/z=z", "a/ b/z=z"},
		},
		"a rename between folders keeps a name": {
			func(w writer) { w.rename("b/z", "a/z") },
			[]string{"a/s/x=x a/s/y=y b/z=z", "a/s/x=x a/s/y=y a/z=z b/z=z", "a/s/x=x a/s/y=y a/z=z b/"},
		},
		"a rename between folders is synced in the old folder": {
			func(w writer) { w.rename("b/z", "a/z"); w.sync("b") },
			[]string{"a/s/x=x a/s/y=y a/z=z b/"},
		},
		"a rename between folders is synced in the new folder": {
			func(w writer) { w.rename("b/z", "a/z"); w.sync("a") },
			[]string{"a/s/x=x a/s/y=y a/z=z b/"},
		},
		"a file that is removed and made may be missing": {
			func(w writer) { w.remove("b/z"); w.create("b/z", "new") },
			[]string{"a/s/x=x a/s/y=y b/z=z", "a/s/x=x a/s/y=y b/", "a/s/x=x a/s/y=y b/z=new"},
		},
		"a file that is replaced may not": {
			func(w writer) { w.create("b/t", "new"); w.rename("b/t", "b/z") },
			[]string{"a/s/x=x a/s/y=y b/z=z", "a/s/x=x a/s/y=y b/t=new b/z=z", "a/s/x=x a/s/y=y b/t=new b/z=new", "a/s/x=x a/s/y=y b/z=new"},
		},
		"a folder that was removed may be back, without what was moved out of it": {
			func(w writer) { w.rename("a/s/x", "b/x"); w.rename("a/s/y", "b/y"); w.sync("a/s"); w.remove("a/s") },
			[]string{"a/s/ b/x=x b/y=y b/z=z", "a/ b/x=x b/y=y b/z=z"},
		},
		"a folder that was emptied is not gone before its files are elsewhere": {
			func(w writer) { w.rename("a/s/y", "b/z"); w.remove("a/s/x"); w.remove("a/s"); w.sync("a") },
			[]string{"a/ b/z=y"},
		},
		"a folder is in one place": {
			func(w writer) { w.rename("a/s", "b/s") },
			[]string{"a/s/x=x a/s/y=y b/z=z", "a/ b/s/x=x b/s/y=y b/z=z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			for seed := range uint64(400) {
				disk := fault.NewDisk()
				w := writer{t, disk.FS()}
				require.NoError(t, w.fs.MkdirAll("a/s", 0o700))
				require.NoError(t, w.fs.MkdirAll("b", 0o700))
				w.create("a/s/x", "x")
				w.create("a/s/y", "y")
				w.create("b/z", "z")
				for _, dir := range []string{"a/s", "a", "b", ""} {
					w.sync(dir)
				}
				c.do(w)
				require.NoError(t, disk.Crash(60, seeded(seed)))
				seen[strings.Join(tree(t, disk.FS(), ""), " ")] = true
			}
			require.ElementsMatch(t, c.want, slices.Collect(maps.Keys(seen)))
		})
	}
}

// A folder whose files were moved elsewhere is not gone before they are there.
func TestFolderIsNotGoneBeforeItsFilesAreElsewhere(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		disk := fault.NewDisk()
		w := writer{t, disk.FS()}
		require.NoError(t, w.fs.MkdirAll("a/s", 0o700))
		w.create("a/s/x", "x")
		for _, dir := range []string{"a/s", "a", ""} {
			w.sync(dir)
		}
		w.rename("a/s/x", "a/y")
		w.remove("a/s")
		require.NoError(t, disk.Crash(60, seeded(seed)))
		left := strings.Join(tree(t, disk.FS(), ""), " ")
		require.Contains(t, left, "=x")
		seen[left] = true
	}
	require.True(t, seen["a/y=x"], "the folder is gone: %v", seen)
	require.True(t, seen["a/s/ a/y=x"], "the folder is back: %v", seen)
}

// What many other changes have followed is on the disk, as a system writes its journal out: the list of changes has a bound.
func TestOldChangesAreDurable(t *testing.T) {
	disk := fault.NewDisk()
	w := writer{t, disk.FS()}
	for i := range 2000 {
		w.create(fmt.Sprint(i), "x")
	}
	require.NoError(t, disk.Crash(0, nil))
	names, err := disk.FS().List("")
	require.NoError(t, err)
	require.Contains(t, names, "0")
	require.NotContains(t, names, "1999")
}

// history is what names have been since their folder was synced.
type history struct {
	writer
	now  map[string]string          // content by path
	been map[string]map[string]bool // what a path may be after a crash; "" is missing
	safe map[string]bool            // contents that had a name all the time since one was durable
	made int
}

var folders = []string{"a", "b"}

func (h *history) path(r *rapid.T, what string) string {
	return path.Join(rapid.SampledFrom(folders).Draw(r, what+" in"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, what))
}

func (h *history) becomes(at, content string) {
	h.been[at][content] = true
	if h.now[at] = content; content == "" {
		delete(h.now, at)
	}
}

// forget notes that contents without a name are safe no more.
func (h *history) forget() {
	left := map[string]bool{}
	for _, content := range h.now {
		left[content] = true
	}
	maps.DeleteFunc(h.safe, func(content string, _ bool) bool { return !left[content] })
}

// synced notes that what a folder has now is durable. A change of two folders is durable in both, which leaves the other folder's names among
// what they have been.
func (h *history) synced(dir string) {
	for at := range h.been {
		if path.Dir(at) == dir {
			h.been[at] = map[string]bool{h.now[at]: true}
			if content := h.now[at]; content != "" {
				h.safe[content] = true
			}
		}
	}
}

// Whatever programs do, a power cut leaves each name as it was at some time since its folder was synced, and no file without a name that
// had one all the time.
func TestNamesAfterACrashModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := fault.NewDisk()
		h := &history{writer: writer{r, disk.FS()}, now: map[string]string{}, been: map[string]map[string]bool{}, safe: map[string]bool{}}
		for _, dir := range folders {
			require.NoError(r, h.fs.MkdirAll(dir, 0o700))
			for _, name := range []string{"1", "2", "3"} {
				h.been[path.Join(dir, name)] = map[string]bool{"": true}
			}
		}
		h.sync("")
		r.Repeat(map[string]func(*rapid.T){
			"create": func(r *rapid.T) {
				at := h.path(r, "create")
				h.made++
				h.create(at, fmt.Sprint(h.made))
				h.becomes(at, "") // Pebble removes what is there
				h.becomes(at, fmt.Sprint(h.made))
			},
			"remove": func(r *rapid.T) {
				at := h.path(r, "remove")
				if h.now[at] == "" {
					r.Skip()
				}
				h.remove(at)
				h.becomes(at, "")
			},
			"rename": func(r *rapid.T) {
				from, to := h.path(r, "from"), h.path(r, "to")
				content := h.now[from]
				if content == "" || from == to || content == h.now[to] {
					r.Skip()
				}
				h.rename(from, to)
				h.becomes(to, content)
				h.becomes(from, "")
			},
			"link": func(r *rapid.T) {
				from, to := h.path(r, "linked"), h.path(r, "link")
				if h.now[from] == "" || h.now[to] != "" {
					r.Skip()
				}
				require.NoError(r, h.fs.Link(from, to))
				h.becomes(to, h.now[from])
			},
			"sync": func(r *rapid.T) {
				dir := rapid.SampledFrom(folders).Draw(r, "synced")
				h.sync(dir)
				h.synced(dir)
			},
			"": func(*rapid.T) { h.forget() },
		})
		percent := rapid.SampledFrom([]int{0, 30, 60, 100}).Draw(r, "percent")
		require.NoError(r, disk.Crash(percent, seeded(rapid.Uint64().Draw(r, "seed"))))
		after := map[string]string{}
		for at := range h.been {
			if content, err := readAll(disk.FS(), at); err == nil {
				after[at] = content
			}
		}
		if percent == 100 {
			require.Equal(r, h.now, after, "all has reached the disk")
		}
		left := map[string]bool{}
		for at, been := range h.been {
			require.True(r, been[after[at]], "%s is %q, and has been %v", at, after[at], been)
			left[after[at]] = true
		}
		for content := range h.safe {
			require.True(r, left[content], "%s has no name: %v", content, after)
		}
	})
}
