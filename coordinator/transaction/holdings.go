package transaction

import (
	"maps"
	"slices"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// holdings are what a transaction has on servers.
type holdings struct {
	id       dbclient.TxnID
	maxBytes int64

	mu     sync.Mutex        // not held during requests
	parts  map[string]*part  // by the server's URL
	shards map[string]*shard // that were touched
	wrote  []string          // shards, in the order of the first write
	bytes  int64             // that were written
}

func newHoldings(id dbclient.TxnID, maxBytes int64) *holdings {
	return &holdings{id: id, maxBytes: maxBytes, parts: map[string]*part{}, shards: map[string]*shard{}}
}

// written returns the shards that were written, in the order of the first write.
func (h *holdings) written() []*shard {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*shard
	for _, name := range h.wrote {
		all = append(all, h.shards[name])
	}
	return all
}

// opened notes that a server has a part. It returns the token that was known before.
func (h *holdings) opened(p *part, token string, elsewhere bool) (before string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before = p.token; before == "" {
		p.token = token
	}
	p.elsewhere = elsewhere
	return before
}

// ended notes that the server of a part is told that it has ended.
func (h *holdings) ended(url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[url].ended = true
}

// drop forgets everything.
func (h *holdings) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts, h.shards, h.wrote = map[string]*part{}, map[string]*shard{}, nil
}

// shard is a shard that was touched.
type shard struct {
	at    dbclient.TxnShard
	url   string // of the leader that has what the transaction has there
	wrote bool
}

// part is what a transaction has on one server. The mutex of the holdings guards it.
type part struct {
	target    dbclient.Target
	opening   chan struct{} // holds an element while the server is asked for the part
	token     string        // "": the server has not been asked, or has not answered
	wrote     bool
	elsewhere bool // the server knows that the transaction has written on another one
	ended     bool // its server has been told so
}

// partOn returns the part on a server. moved says that what the transaction has on the shard is elsewhere, or why.
func (h *holdings) partOn(to dbclient.Target, at dbclient.TxnShard) (p *part, moved string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.shards[at.Shard]; s != nil && s.url != to.URL {
		moved = "shard " + at.Shard + " has another leader now: " + to.URL + " in place of " + s.url
	}
	if p = h.parts[to.URL]; p == nil {
		p = &part{target: to, opening: make(chan struct{}, 1)}
		h.parts[to.URL] = p
	}
	return p, moved
}

// known returns the token of a part, "" if the server is to be asked: for the first time, or because it should know before the
// first write there that the transaction holds the gate of another server.
func (h *holdings) known(p *part, write bool) (token string, elsewhere bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, other := range h.parts {
		elsewhere = elsewhere || other != p && other.wrote
	}
	if p.token == "" || write && !p.wrote && elsewhere && !p.elsewhere {
		return "", elsewhere
	}
	return p.token, elsewhere
}

// touched notes that a request to a shard was answered.
func (h *holdings) touched(to dbclient.Target, at dbclient.TxnShard, wrote bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.shards[at.Shard]
	if s == nil {
		s = &shard{at: at, url: to.URL}
		h.shards[at.Shard] = s
	}
	if wrote && !s.wrote {
		s.wrote = true
		h.wrote = append(h.wrote, at.Shard)
		h.parts[to.URL].wrote = true
	}
}

// has says whether the transaction has something on a shard.
func (h *holdings) has(at dbclient.TxnShard) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.shards[at.Shard] != nil
}

// partOf is a part as requests name it.
type partOf struct {
	dbclient.TxnPart
	target dbclient.Target
}

// openParts returns the parts that a server has, and for which ok holds.
func (h *holdings) openParts(ok func(*part) bool) []partOf {
	h.mu.Lock()
	defer h.mu.Unlock()
	var parts []partOf
	for _, url := range sorted(h.parts) {
		if p := h.parts[url]; p.token != "" && !p.ended && ok(p) {
			parts = append(parts, partOf{dbclient.TxnPart{ID: h.id, Token: p.token}, p.target})
		}
	}
	return parts
}

// partAt is the part on a server.
func (h *holdings) partAt(url string) (dbclient.TxnPart, dbclient.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.parts[url]
	return dbclient.TxnPart{ID: h.id, Token: p.token}, p.target
}

// take counts bytes that are about to be written.
func (h *holdings) take(n int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n > h.maxBytes-h.bytes && n > 0 {
		return apierror.New(apierror.ResourceLimit, "transaction %s has written %d bytes, and with %d more it would be larger than %d: write less in one transaction, or begin it with a larger maxTransactionSize",
			h.id, h.bytes, n, h.maxBytes).WithStatus(400)
	}
	h.bytes += n
	return nil
}

// give takes back what was not written after all.
func (h *holdings) give(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes -= n
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
