package api

import (
	"context"
	"strconv"

	"stasis/agency/answer"
	"stasis/fsm"
)

// callOf is a request for data, free of HTTP.
type callOf struct {
	ctx    context.Context
	body   []byte // the call may keep it
	noWait bool
	once   bool // see keys.OnceHeader
}

// dataCall answers a request for data with a status and a JSON text, or says why not.
type dataCall func(callOf) (status int, text text, err error)

// text is an answer: complete, or, if it would be large, still to be written.
type text struct {
	whole []byte
	write answer.Stream // nil: whole is all
	bytes int64         // about
}

func written(whole []byte) text { return text{whole: whole} }

// countedBytes is the length up to which net/http counts an answer itself, cheaper.
const countedBytes = 2000

// entryList is a JSON array that is being written.
type entryList struct{ text []byte }

// next begins an entry.
func (l *entryList) next() []byte {
	if l.text == nil {
		return append(l.text, '[')
	}
	return append(l.text, ',')
}

func (l *entryList) node(n *fsm.Node) { l.text = n.AppendJSON(l.next()) }

func (l *entryList) flag(b bool) { l.text = strconv.AppendBool(l.next(), b) }

func (l *entryList) end() []byte {
	if l.text == nil {
		return []byte("[]")
	}
	return append(l.text, ']')
}

// appendResults begins the answer to write and inquire.
func appendResults(to []byte, results []uint64) []byte {
	to = append(to, `{"results":[`...)
	for i, index := range results {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendUint(to, index, 10)
	}
	return append(to, ']')
}
