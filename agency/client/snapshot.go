package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"stasis/agency/keys"
	"stasis/fsm"
)

// A snapshot file is this line, a line of JSON (SnapshotHead), the tree as fsm writes it,
// and the SHA-256 of everything before it.
const snapshotMagic = "STASIS AGENCY SNAPSHOT 1\n"

// ErrSnapshot is returned when a file is no snapshot, or was changed since it was written.
var ErrSnapshot = errors.New("not a whole snapshot of an agency")

// SnapshotHead says what a snapshot file is of.
type SnapshotHead struct {
	Origin  keys.Origin `json:"origin"`
	Index   uint64      `json:"index"` // of the tree
	Term    uint64      `json:"term"`
	Taken   string      `json:"taken"` // RFC 3339
	Version string      `json:"version"`
}

// WriteSnapshot writes a snapshot file.
func WriteSnapshot(to io.Writer, head SnapshotHead, state *fsm.State) error {
	raw, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	sum := sha256.New()
	both := io.MultiWriter(to, sum)
	_, err = fmt.Fprintf(both, "%s%s\n", snapshotMagic, raw)
	if err == nil {
		_, err = state.WriteTo(both)
	}
	if err == nil {
		_, err = to.Write(sum.Sum(nil))
	}
	if err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	return nil
}

// ReadSnapshot reads a snapshot file. It returns [ErrSnapshot] if one bit of the file was changed.
func ReadSnapshot(file []byte) (head SnapshotHead, state *fsm.State, err error) {
	rest, ok := bytes.CutPrefix(file, []byte(snapshotMagic))
	if !ok || len(rest) < sha256.Size {
		return head, nil, fmt.Errorf("%w: it does not begin as one of this format", ErrSnapshot)
	}
	end := len(file) - sha256.Size
	if sum := sha256.Sum256(file[:end]); !bytes.Equal(sum[:], file[end:]) {
		return head, nil, fmt.Errorf("%w: its checksum is wrong: it is torn or damaged", ErrSnapshot)
	}
	line, tree, _ := bytes.Cut(rest[:len(rest)-sha256.Size], []byte("\n"))
	if err := json.Unmarshal(line, &head); err != nil || !head.Origin.Exists() {
		return head, nil, fmt.Errorf("%w: its head says nothing of an agency: %s", ErrSnapshot, line)
	}
	if state, err = fsm.ReadState(bytes.NewReader(tree)); err != nil {
		return head, nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if state.Index() != head.Index || state.Term() != head.Term {
		return head, nil, fmt.Errorf("%w: its tree is at index %d, its head at %d", ErrSnapshot, state.Index(), head.Index)
	}
	return head, state, nil
}

// snapshotAttempts is how many times longer than another call a snapshot may take.
const snapshotAttempts = 30

// Snapshot gives a snapshot file of the tree as it was at some moment during the call,
// whole and checked.
func (c *Client) Snapshot(ctx context.Context) (file []byte, head SnapshotHead, err error) {
	ans, err := c.agents.ask(ctx, request{method: http.MethodGet, path: base + "snapshot", timeout: snapshotAttempts * c.agents.timeout})
	if err != nil {
		return nil, head, err
	}
	if ans.status != http.StatusOK {
		return nil, head, ans.rejected("snapshot")
	}
	head, _, err = ReadSnapshot(ans.body)
	return ans.body, head, err
}
