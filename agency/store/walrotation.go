package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// finishRotation finishes a change of segments that raft-wal began and did not finish, because the
// process died or closed the log right after a segment was full: the segment's file is sealed, and
// the list of segments has it as the one that is appended to. raft-wal (0.4.1, wal.go: runRotate)
// opens such a log and then refuses every entry: "segment is sealed".
//
// The list is replaced as a whole, and names a new segment after the sealed one. Its file is made
// when the log is opened, as after any change of segments that stopped there.
func (w walFiles) finishRotation() (err error) {
	if begun, err := w.begun(); err != nil || !begun {
		return err
	}
	meta := w.list()
	state, err := meta.Load(w.dir)
	if err != nil {
		return fmt.Errorf("read the list of segments: %w", err)
	}
	defer func() { err = errors.Join(err, meta.Close()) }()
	if len(state.Segments) == 0 {
		return nil
	}
	tail := &state.Segments[len(state.Segments)-1]
	if !tail.SealTime.IsZero() {
		return nil
	}
	if err := w.eraseTorn(*tail); err != nil {
		return err
	}
	sealed, err := seal(w.segments, tail)
	if err != nil || !sealed {
		return err
	}
	state.Segments = append(state.Segments, types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: tail.MaxIndex + 1, MinIndex: tail.MaxIndex + 1,
		Codec: tail.Codec, CreateTime: time.Now(), SizeLimit: uint32(w.size),
	})
	state.NextSegmentID++
	if err := meta.CommitState(state); err != nil {
		return fmt.Errorf("write the list of segments: %w", err)
	}
	return nil
}

// seal completes what the list says of the last segment if its file is sealed.
func seal(files *segment.Filer, tail *types.SegmentInfo) (sealed bool, err error) {
	w, err := files.RecoverTail(*tail)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // its file is made when the log is opened
	}
	if err != nil {
		return false, fmt.Errorf("read the last segment: %w", err)
	}
	sealed, index, err := w.Sealed()
	last := w.LastIndex()
	if err = errors.Join(err, w.Close()); err != nil || !sealed {
		return false, err
	}
	tail.SealTime, tail.MaxIndex, tail.IndexStart = time.Now(), last, index
	if err := readable(files, *tail); err != nil {
		// The end of the file, which has the index, is torn: only a loss of power does that.
		return false, fmt.Errorf("the last segment was not written to its end: %w. As long as a majority of the other agents is whole, "+
			"delete this agent's directory and start it again, it gets everything from them", err)
	}
	return true, nil
}

// readable checks that every entry of a sealed segment is found by its index.
func readable(files *segment.Filer, info types.SegmentInfo) (err error) {
	r, err := files.Open(info)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for i := info.MinIndex; i <= info.MaxIndex; i++ {
		entry, err := r.GetLog(i)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if err := entry.Close(); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}
