package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"stasis/internal/failpoint"
)

// The format of a segment (raft-wal 0.4.1, segment/format.go): a header, and frames of multiples of eight bytes. A
// commit frame has the checksum of everything since the commit frame before it, or since the beginning.
const (
	walHeaderLen = 32
	walFrameLen  = 8
)

// errDamaged is a log that has lost acknowledged entries.
var errDamaged = errors.New("the log is damaged")

// eraseTorn erases what a power cut has left after the last commit of the segment that is appended to: sectors of a write that was
// never acknowledged. raft-wal does not. It goes on writing there, and later takes what is left behind the new end for frames: an index that was not
// written to its end makes it take the segment for sealed, and the agent refuses to start.
func (w walFiles) eraseTorn(tail types.SegmentInfo) (err error) {
	path := w.fs.PathJoin(w.dir, segment.FileName(tail))
	raw, err := readFile(w.fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // its file is made when the log is opened
	}
	if err != nil {
		return fmt.Errorf("read the last segment: %w", err)
	}
	end := committed(raw)
	if batch := intactBehind(raw, end); batch > 0 && !failpoint.Off("torn-is-no-damage") {
		return fmt.Errorf("%w: %s at byte %d: whole entries follow it at byte %d, so it is not the end of what was written", errDamaged, path, end, batch)
	}
	torn := 0
	for i := end; i < len(raw); i++ {
		if raw[i] != 0 {
			raw[i], torn = 0, i+1
		}
	}
	if torn == 0 {
		return nil
	}
	w.logger.Warn("erasing what was written after the last commit of Raft's log and never acknowledged", "file", path, "from", end, "to", torn)
	f, err := w.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("erase what is torn in the last segment: %w", err)
	}
	_, err = f.WriteAt(raw[end:torn], int64(end))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("erase what is torn in the last segment: %w", err)
	}
	return nil
}

// committed is where the last commit ends whose checksum is right. If a later commit is right again, the file was damaged in another way than by a
// crash, and nothing of it is to be erased: the end is that of the file.
func committed(raw []byte) (end int) {
	begin, damaged := 0, false // of what the next commit is for
	for at := walHeaderLen; at+walFrameLen <= len(raw); {
		kind, number := raw[at], binary.LittleEndian.Uint32(raw[at+4:])
		switch kind {
		default: // zeros, or no frame: the end of what was written
			return end
		case segment.FrameEntry, segment.FrameIndex:
			at += walFrameLen + (int(number)+walFrameLen-1)/walFrameLen*walFrameLen
		case segment.FrameCommit:
			right := crc32.Checksum(raw[begin:at], castagnoli) == number
			at += walFrameLen
			begin = at
			switch {
			case right && damaged:
				return len(raw)
			case right:
				end = at
			default:
				damaged = true
			}
		}
	}
	return end
}

// intactBehind is where a whole batch begins that lies behind the end, 0 if there is none. A power cut tears the one
// batch that was being written, so a batch behind another commit frame was acknowledged. What is between them cannot be
// followed, since the length of a damaged frame is not known: each multiple of eight bytes may have that commit frame.
func intactBehind(raw []byte, end int) int {
	for at := end; at+walFrameLen <= len(raw); at += walFrameLen {
		if isCommit(raw[at:]) && wholeBatch(raw[at+walFrameLen:]) {
			return at + walFrameLen
		}
	}
	return 0
}

// isCommit says whether a commit frame may begin here: the bytes after its kind are reserved.
func isCommit(raw []byte) bool {
	return raw[0] == segment.FrameCommit && raw[1] == 0 && raw[2] == 0 && raw[3] == 0
}

// wholeBatch says whether entries and a commit frame begin here whose checksum is right.
func wholeBatch(raw []byte) bool {
	for at := 0; at+walFrameLen <= len(raw); {
		number := binary.LittleEndian.Uint32(raw[at+4:])
		switch raw[at] {
		case segment.FrameEntry, segment.FrameIndex:
			at += walFrameLen + (int(number)+walFrameLen-1)/walFrameLen*walFrameLen
		case segment.FrameCommit:
			return at > 0 && crc32.Checksum(raw[:at], castagnoli) == number
		default:
			return false
		}
	}
	return false
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	return raw, errors.Join(err, f.Close())
}
