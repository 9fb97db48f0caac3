package api

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"sync"

	"stasis/agency/answer"
	"stasis/fsm"
)

// polled is the result of a poll: a whole tree, or the log from an index on.
type polled struct {
	tree   *fsm.Node // nil: the log
	log    []fsm.Entry
	commit uint64
	first  uint64
}

// write writes the answer.
func (p polled) write(flush func([]byte) []byte) []byte {
	to := append(make([]byte, 0, 256), `{"error":false,"code":200,"result":{"commitIndex":`...)
	to = strconv.AppendUint(to, p.commit, 10)
	to = append(to, `,"firstIndex":`...)
	to = strconv.AppendUint(to, p.first, 10)
	if p.tree != nil {
		return append(p.tree.StreamJSON(append(to, `,"readDB":`...), flush), "}}"...)
	}
	to = append(to, `,"log":[`...)
	for i, e := range p.log {
		if i > 0 {
			to = append(to, ',')
		}
		to = answer.Flushed(e.AppendJSON(to), flush)
	}
	return append(to, "]}}"...)
}

func (p polled) encode() []byte { return answer.Stream(p.write).Whole() }

// bytes is about how large the answer is.
func (p polled) bytes() int64 {
	if p.tree != nil {
		return p.tree.Weight()
	}
	return sizeOf(p.log)
}

// sizeOf is about how large entries of the log are.
func sizeOf(log []fsm.Entry) (bytes int64) {
	for _, e := range log {
		bytes += e.Bytes()
	}
	return bytes
}

// polledText is an answer. It may serve many requests.
type polledText struct {
	large *polled // still to be written; else nil
	plain []byte
	once  sync.Once
	gzip  []byte
}

// packedFrom is the size in bytes from which an answer is worth compressing: otherwise 100
// followers of a busy tree would cost its leader more in bytes than in answers.
const packedFrom = 8 << 10

// packed is the answer compressed, once for all requests; nil if that is not worth it.
func (t *polledText) packed() []byte {
	t.once.Do(func() {
		if len(t.plain) < packedFrom {
			return
		}
		var to bytes.Buffer
		w := packers.Get().(*gzip.Writer)
		defer packers.Put(w)
		w.Reset(&to)
		if _, err := w.Write(t.plain); err == nil && w.Close() == nil { // a buffer takes everything
			t.gzip = to.Bytes()
		}
	})
	return t.gzip
}

// packers are large and used many times a second.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for an unknown level only
	return w
}}

// pollCache is the newest answer with changes, and the newest with a tree. Followers wait for
// the same index, so one text serves them all. So does one text of a tree, for all that ask
// while it is the newest.
type pollCache struct{ change, whole oneText }

// oneText is an answer that is written out once.
type oneText struct {
	mu    sync.Mutex
	tree  *fsm.Node
	first uint64
	upTo  uint64
	text  *polledText
}

// encode writes an answer out. A large answer is written from the tree for each request instead.
func (c *pollCache) encode(p polled) *polledText {
	switch {
	case p.bytes() > answer.LargeFrom:
		return &polledText{large: &p}
	case p.tree != nil:
		return c.whole.of(p)
	case len(p.log) > 0:
		return c.change.of(p)
	}
	return &polledText{plain: p.encode()}
}

func (c *oneText) of(p polled) *polledText {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text == nil || c.tree != p.tree || c.first != p.first || c.upTo != p.commit {
		c.tree, c.first, c.upTo, c.text = p.tree, p.first, p.commit, &polledText{plain: p.encode()}
	}
	return c.text
}
