package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// logSizes gives the sizes of the logs in a folder.
func logSizes(t testing.TB, fs vfs.FS, dir string) (largest, total int64) {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		if isLog(name) {
			info, err := fs.Stat(fs.PathJoin(dir, name))
			require.NoError(t, err)
			largest, total = max(largest, info.Size()), total+info.Size()
		}
	}
	return largest, total
}

// A piece's logs are as long as what is in them, also where the engine has written
// them into the file of an earlier log; the piece holds what the engine held,
// written with and without a sync; and all that after a crash in the next moment too.
func TestCutCopiesLogsToTheirEnd(t *testing.T) {
	const row = 4096
	crashable := vfs.NewCrashableMem()
	for name, fs := range map[string]vfs.FS{"memory": crashable, "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := "data"
			if fs == vfs.Default {
				dir = t.TempDir()
			}
			e := open(t, filepath.Join(dir, "db"), small(fs))
			for round := range 4 {
				fill(t, e, 200*round, 200*(round+1)) // several memtables, so that logs' files are used again
				require.NoError(t, e.PrepareCut(t.Context()))
				for i := range round { // none in the first: an empty log
					put(t, e, fmt.Sprintf("late%d", i), strings.Repeat("x", row), i%2 == 0)
				}
				want := all(t, e, nil, nil)
				before, _ := logSizes(t, fs, e.dir)
				piece := filepath.Join(dir, fmt.Sprint("piece", round))
				c, err := e.BeginCut(t.Context(), piece)
				require.NoError(t, err)
				put(t, e, "after", "", false)
				require.NoError(t, c.Wait(t.Context()))

				_, total := logSizes(t, fs, piece)
				t.Logf("round %d: the engine's largest log %d bytes, the piece's logs %d", round, before, total)
				require.Greater(t, before, int64(40*row), "no log's file was used again: the test proves too little")
				require.LessOrEqual(t, total, int64(round*(row+100)+1000)) // beside the rows, marks of syncs
				require.GreaterOrEqual(t, total, int64(round*row))
				disk := fs
				if fs == vfs.FS(crashable) {
					disk = crashable.CrashClone(vfs.CrashCloneCfg{})
				}
				require.NoError(t, Check(disk, piece))
				p := open(t, piece, Options{FS: disk, ReadOnly: true})
				require.Equal(t, want, all(t, p, nil, nil))
			}
		})
	}
}

// A log that is cut off where logEnd says gives the same records and the same verdict as
// all of its file: with records in and across blocks, after an earlier
// log in the same file, closed or torn, with bits flipped.
func TestLogEndChangesNothingForAReplay(t *testing.T) {
	const number = 7
	shortened := 0
	rapid.Check(t, func(t *rapid.T) {
		mem := vfs.NewMem()
		offsets := rapid.Bool().Draw(t, "sync offsets")
		lead := rapid.SampledFrom([]int{0, 0, 32000, 32720, 32757, 65500}).Draw(t, "lead") // to about the end of a block
		first := []int{lead}
		if lead == 0 {
			first = nil
		}
		sizes := rapid.SliceOfN(rapid.IntRange(12, 300), 0, 8)
		earlier := writeLog(t, mem, number-rapid.IntRange(1, 3).Draw(t, "older"), slices.Concat(first, sizes.Draw(t, "earlier")), offsets)
		log := writeLog(t, mem, number, slices.Concat(first, sizes.Draw(t, "sizes")), offsets)
		whole := 0 // a large chunk stays whole: Pebble tries all of its bits
		if lead > 0 {
			whole = lead + 3*19
		}
		if whole < len(log) && rapid.Bool().Draw(t, "torn") {
			log = log[:rapid.IntRange(whole, len(log)).Draw(t, "written")]
		}
		if len(log) < len(earlier) {
			log = append(log, earlier[len(log):]...)
		}
		if rapid.Bool().Draw(t, "preallocated") {
			log = append(log, make([]byte, rapid.IntRange(0, 70000).Draw(t, "zeros"))...)
		}
		if whole < len(log) && rapid.IntRange(0, 3).Draw(t, "damage") == 0 {
			log[rapid.IntRange(whole, len(log)-1).Draw(t, "where")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		require.NoError(t, writeFile(mem, "whole", log))
		end, err := logEnd(mem, "whole", number)
		require.NoError(t, err)
		kept := log[:min(end, int64(len(log)))]
		shortened += len(log) - len(kept)
		require.NoError(t, writeFile(mem, "kept", kept))
		wantRecords, wantVerdict := replay(t, mem, "whole", number)
		records, verdict := replay(t, mem, "kept", number)
		require.Equal(t, wantVerdict, verdict)
		require.Equal(t, wantRecords, records)
		if wantVerdict == io.EOF.Error() { // no more than is needed
			if size := int64(len(kept)); size > 0 {
				require.NoError(t, writeFile(mem, "less", kept[:size-1]))
				records, _ := replay(t, mem, "less", number)
				require.True(t, len(wantRecords) == 0 || len(records) < len(wantRecords) || size%(32<<10) == 0)
			}
		}
	})
	require.Positive(t, shortened, "no log was shortened: the test proves too little")
}

// writeLog writes a log as Pebble does, and gives its bytes.
func writeLog(t require.TestingT, mem *vfs.MemFS, number int, sizes []int, offsets bool) []byte {
	file, err := mem.Create("log", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	w := logWriter(record.NewLogWriter, file, uint64(number), record.LogWriterConfig{
		QueueSemChan: make(chan struct{}, 1), WriteWALSyncOffsets: func() bool { return offsets },
	})
	rng := rand.NewChaCha8([32]byte{byte(number)})
	for _, size := range sizes {
		p := make([]byte, size)
		_, _ = rng.Read(p)
		_, err := w.WriteRecord(p)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return readFile(t, mem, "log")
}

func logWriter[N ~uint64](open func(io.Writer, N, record.LogWriterConfig) *record.LogWriter, file io.Writer, number uint64, c record.LogWriterConfig) *record.LogWriter {
	return open(file, N(number), c)
}

func readFile(t require.TestingT, fs vfs.FS, name string) []byte {
	file, err := fs.Open(name)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return content
}

func writeFile(fs vfs.FS, name string, content []byte) error {
	file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := file.Write(append([]byte{}, content...)); err != nil {
		return err
	}
	return file.Close()
}

// replay reads a log's records until it ends, and says how.
func replay(t require.TestingT, fs vfs.FS, name string, number uint64) (records []string, verdict string) {
	file, err := fs.Open(name)
	require.NoError(t, err)
	r := logReader(record.NewReader, file, number)
	for {
		rec, err := r.Next()
		var content []byte
		if err == nil {
			content, err = io.ReadAll(rec)
		}
		if err != nil {
			require.NoError(t, file.Close())
			return records, err.Error()
		}
		records = append(records, string(content))
	}
}
