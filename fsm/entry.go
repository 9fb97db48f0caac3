package fsm

import (
	"encoding/json"
	"strconv"
)

// Entry is one applied transaction as watchers see it.
type Entry struct {
	Index     uint64          `json:"index"`
	Term      uint64          `json:"term"`
	Query     json.RawMessage `json:"query"` // the operations as they were written
	ClientID  string          `json:"clientId,omitempty"`
	Timestamp int64           `json:"timestamp"` // ms
	// Expired are paths whose time to live ended before this transaction and
	// after the one before; they are removed before Query is applied.
	Expired []string `json:"expired,omitempty"`
}

// AppendJSON appends the entry as JSON, its operations as they were written.
func (e Entry) AppendJSON(to []byte) []byte {
	to = strconv.AppendUint(append(to, `{"index":`...), e.Index, 10)
	to = strconv.AppendUint(append(to, `,"term":`...), e.Term, 10)
	to = append(append(to, `,"query":`...), e.Query...)
	if e.ClientID != "" {
		to = appendText(append(to, `,"clientId":`...), e.ClientID)
	}
	to = strconv.AppendInt(append(to, `,"timestamp":`...), e.Timestamp, 10)
	for i, path := range e.Expired {
		open := `,"expired":[`
		if i > 0 {
			open = ","
		}
		to = appendText(append(to, open...), path)
	}
	if len(e.Expired) > 0 {
		to = append(to, ']')
	}
	return append(to, '}')
}

// Bytes is about how many bytes the entry takes, and no less than its text.
func (e Entry) Bytes() int64 { return int64(e.bytes()) }

func (e Entry) bytes() int {
	const fixed = 128
	size := fixed + len(e.Query) + len(e.ClientID)
	for _, path := range e.Expired {
		size += len(path)
	}
	return size
}
