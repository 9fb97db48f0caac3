package workload

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// store answers like a cluster, with documents and transactions in memory. A fault breaks one of its rules.
type store struct {
	mu    sync.Mutex // held shortly, never over a wait
	docs  map[string]map[string]stored
	open  map[string]*storedTxn
	locks map[string]string // by document: the transaction that has written it
	next  int
	fault func(what string) bool // nil: none
	lost  func() bool            // whether the answer to a commit is lost
}

type stored struct {
	raw, before json.RawMessage
	rev         string
}

// storedTxn has what a transaction has read, and what it would write.
type storedTxn struct {
	state string
	reads map[string]string
	wrote map[string]stored
}

// The rules that can be broken.
const (
	noLocks   = "writes lock documents"
	noChange  = "what was read has not changed when it is written"
	noOwn     = "a transaction sees what it wrote"
	noCommit  = "only what is committed is seen"
	noWhole   = "a commit is whole"
	noAbort   = "what is aborted is gone"
	noReading = "a read sees the newest"
)

func newStore() *store {
	return &store{docs: map[string]map[string]stored{}, open: map[string]*storedTxn{}, locks: map[string]string{}}
}

func (s *store) broken(rule string) bool { return s.fault != nil && s.fault(rule) }

func (s *store) clients(t *testing.T) (all []*client.Client) {
	for range 2 {
		c, err := client.New("http://coordinator:1", client.Options{HTTP: &http.Client{Transport: s}})
		require.NoError(t, err)
		all = append(all, c)
	}
	return all
}

// RoundTrip answers after a moment: without one all of a run is one instant.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte("null")
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{}) // from now on the outcome can be unknown
	}
	time.Sleep(time.Millisecond)
	status, answer := s.answer(r, body)
	time.Sleep(time.Millisecond)
	if s.lost != nil && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/transaction/") && s.lost() {
		return nil, io.ErrUnexpectedEOF
	}
	raw, err := json.Marshal(answer)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(raw))), Request: r}, err
}

func refuse(status, number int, text string) (int, any) {
	return status, map[string]any{"error": true, "code": status, "errorNum": number, "errorMessage": text}
}

func (s *store) answer(r *http.Request, body []byte) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/_db/_system"), "/"), "/")
	if len(path) < 2 || path[0] != "_api" {
		return 200, map[string]any{"dbservers": map[string]any{"a": map[string]any{}, "b": map[string]any{}}}
	}
	switch path[1] {
	case "collection":
		return s.collection(r, path, body)
	case "transaction":
		return s.transaction(r, path[2])
	case "simple":
		var asked struct{ Collection string }
		_ = json.Unmarshal(body, &asked)
		all := []json.RawMessage{}
		for _, d := range s.docs[asked.Collection] {
			all = append(all, d.raw)
		}
		return 200, map[string]any{"result": all}
	}
	trx := s.open[r.Header.Get("X-Arango-Trx-Id")]
	if id := r.Header.Get("X-Arango-Trx-Id"); id != "" && (trx == nil || trx.state != "running") {
		return refuse(410, transactionAborted, "the transaction is "+fmt.Sprint(trx))
	}
	if r.Method == http.MethodGet {
		return s.read(trx, path[2]+"/"+path[3])
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return refuse(400, 600, err.Error())
	}
	return s.write(r.Header.Get("X-Arango-Trx-Id"), trx, path[2]+"/"+fmt.Sprint(doc["_key"]), doc, r.Method == http.MethodPost)
}

func (s *store) collection(r *http.Request, path []string, body []byte) (int, any) {
	if r.Method == http.MethodGet {
		return 200, map[string]any{"count": len(s.docs[path[2]])}
	}
	var asked struct{ Name string }
	_ = json.Unmarshal(body, &asked)
	if s.docs[asked.Name] != nil {
		return refuse(409, 1207, "duplicate name")
	}
	s.docs[asked.Name] = map[string]stored{}
	return 200, map[string]any{}
}

// find is a document as a transaction sees it.
func (s *store) find(trx *storedTxn, key string) (stored, bool) {
	if trx != nil && !s.broken(noOwn) {
		if d, own := trx.wrote[key]; own {
			return d, true
		}
	}
	if s.broken(noCommit) {
		for _, other := range s.open {
			if d, wrote := other.wrote[key]; wrote && other.state == "running" {
				return d, true
			}
		}
	}
	collection, name, _ := strings.Cut(key, "/")
	d, there := s.docs[collection][name]
	return d, there
}

func (s *store) read(trx *storedTxn, key string) (int, any) {
	d, there := s.find(trx, key)
	if trx != nil && trx.wrote[key].rev == "" {
		if _, before := trx.reads[key]; !before {
			trx.reads[key] = d.rev
		}
	}
	if !there {
		return refuse(404, documentMissing, "not found")
	}
	if d.before != nil && s.broken(noReading) {
		return 200, d.before
	}
	return 200, d.raw
}

func (s *store) write(id string, trx *storedTxn, key string, doc map[string]any, fresh bool) (int, any) {
	d, there := s.find(trx, key)
	was, read := "", false
	if trx != nil {
		was, read = trx.reads[key]
	}
	switch {
	case s.locks[key] != "" && s.locks[key] != id && !s.broken(noLocks):
		return refuse(409, 1200, "locked")
	case trx != nil && read && trx.wrote[key].rev == "" && was != d.rev && !s.broken(noChange):
		return refuse(409, 1200, "changed")
	case fresh && there && !s.broken(noChange):
		return refuse(409, keyTaken, "taken")
	}
	s.next++
	rev := fmt.Sprint("r", s.next)
	doc["_rev"] = rev
	raw, _ := json.Marshal(doc)
	if trx == nil {
		s.put(key, stored{raw: raw, rev: rev})
	} else {
		trx.wrote[key], s.locks[key] = stored{raw: raw, rev: rev}, id
	}
	return 201, map[string]any{"_rev": rev}
}

func (s *store) put(key string, d stored) {
	collection, name, _ := strings.Cut(key, "/")
	d.before = s.docs[collection][name].raw
	s.docs[collection][name] = d
}

func (s *store) transaction(r *http.Request, id string) (int, any) {
	if id == "begin" {
		s.next++
		id = fmt.Sprint(s.next)
		s.open[id] = &storedTxn{state: "running", reads: map[string]string{}, wrote: map[string]stored{}}
		return 201, map[string]any{"result": map[string]any{"id": id, "status": "running"}}
	}
	trx, want := s.open[id], "committed"
	if r.Method == http.MethodDelete {
		want = "aborted"
	}
	switch {
	case trx == nil:
		return refuse(404, transactionMissing, "no such transaction")
	case trx.state == "running":
		trx.state = want
		for key, d := range trx.wrote {
			if want == "committed" && !s.broken(noWhole) || want == "aborted" && s.broken(noAbort) {
				s.put(key, d)
			}
			if s.locks[key] == id {
				delete(s.locks, key)
			}
		}
	case trx.state != want:
		return refuse(400, transactionEnded, "it is "+trx.state)
	}
	return 200, map[string]any{"result": map[string]any{"id": id, "status": want}}
}
