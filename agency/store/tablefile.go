package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"stasis/agency/note"
)

// table is a small file that is replaced as a whole: a checksum, and JSON. A crash leaves the old content or
// the new one (see datadir.WriteNote).
type table struct {
	notes note.Store
	name  string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTableDamaged: what the file has is not what was written.
var errTableDamaged = errors.New("the file is damaged")

// read decodes the content. It returns false if there is no file.
func (t table) read(into any) (bool, error) {
	raw, err := t.notes.ReadNote(t.name)
	if err != nil || raw == nil {
		return false, err
	}
	sum, content, _ := bytes.Cut(raw, []byte("\n"))
	if string(sum) != checksum(content) {
		return false, fmt.Errorf("%s: %w: its checksum is wrong", t.name, errTableDamaged)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return false, fmt.Errorf("%s: %w: %w", t.name, errTableDamaged, err)
	}
	return true, nil
}

// write replaces the content, durably.
func (t table) write(value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", t.name, err)
	}
	return t.notes.WriteNote(t.name, append([]byte(checksum(content)+"\n"), content...))
}

func checksum(content []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(content, castagnoli)) }
