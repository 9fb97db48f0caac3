package transaction_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// world is DB servers as the design of transactions wants them to be, in memory. A test makes them fail.
type world struct {
	mu      sync.Mutex
	servers map[string]*server // by URL
	shards  map[string]*shard
	fault   func(call, url string) fault
	log     []string
	opens   int
	broken  []string // promises
}

// fault is what happens to a request.
type fault int

const (
	none   fault = iota
	unsent       // it never reaches the server
	before       // it is lost on its way
	after        // its answer is lost
	dies         // the server dies after it has done it, for a while
	unled        // the server says that it does not lead the shard
	closed       // the server's gate is closed
)

// server is one DB server. What it has in parts is lost when it dies.
type server struct {
	parts  map[dbclient.TxnID]*part
	ended  map[dbclient.TxnID]string
	down   bool
	closed bool // its gate
}

type part struct {
	token   string
	staged  map[string]map[string]string // by shard and key; "": removed
	entered bool
	kept    time.Time
	known   bool // that it is open elsewhere
}

// shard is on one server at a time. Nothing of it is lost.
type shard struct {
	leader   string // URL
	docs     map[string]string
	prepared map[dbclient.TxnID]prepared
	decided  map[dbclient.TxnID][]dbclient.TxnShard
}

type prepared struct {
	home   dbclient.TxnShard
	staged map[string]string
}

// newWorld has the shards s1, s2, … at these servers.
func newWorld(leaders ...string) *world {
	w := &world{servers: map[string]*server{}, shards: map[string]*shard{}, fault: func(string, string) fault { return none }}
	for _, url := range []string{"http://a", "http://b", "http://c"} {
		w.servers[url] = &server{parts: map[dbclient.TxnID]*part{}, ended: map[dbclient.TxnID]string{}}
	}
	for i, leader := range append(leaders, "http://a") {
		name := fmt.Sprintf("s%d", i+1)
		if i == len(leaders) {
			name = "s90"
		}
		w.shards[name] = &shard{leader: leader, docs: map[string]string{}, prepared: map[dbclient.TxnID]prepared{}, decided: map[dbclient.TxnID][]dbclient.TxnShard{}}
	}
	return w
}

// chance is a fault function: the n-th call of a kind at a server fails by what a seed says.
func chance(seed uint64, percent uint64, kinds ...fault) func(call, url string) fault {
	counts := map[string]int{}
	return func(call, url string) fault {
		counts[call+url]++
		h := fnv.New64a()
		fmt.Fprint(h, seed, call, url, counts[call+url])
		n := h.Sum64() >> 8
		if n%100 >= percent {
			return none
		}
		return kinds[n/100%uint64(len(kinds))]
	}
}

func lost(format string, args ...any) error {
	return apierror.New(apierror.ConnectionLost, format, args...)
}

// do makes a request to a server.
func (w *world) do(ctx context.Context, call string, t dbclient.Target, what string, f func(s *server) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.servers[t.URL]
	w.log = append(w.log, fmt.Sprintf("%s %s%s", call, t.URL, what))
	if ctx.Err() != nil {
		return lost("%s: %w", call, ctx.Err())
	}
	if s.down {
		return lost("%w: %s is down", dbclient.ErrNotSent, t.URL)
	}
	switch w.fault(call, t.URL) {
	case unsent:
		return lost("%w", dbclient.ErrNotSent)
	case before:
		return lost("%s was lost", call)
	case after:
		_ = f(s)
		return lost("the answer to %s was lost", call)
	case dies:
		_ = f(s)
		w.die(t.URL, 2*time.Second)
		return lost("%s died", t.URL)
	case unled:
		return apierror.New(apierror.NotLeader, "not the leader")
	case closed:
		if call == "enter" || call == "wait" || call == "decide" {
			return apierror.New(apierror.GateClosed, "backup b holds the gate of %s", t.URL)
		}
	case none:
	}
	return f(s)
}

// die ends a server: its parts are lost. It starts again after a time.
func (w *world) die(url string, back time.Duration) {
	s := w.servers[url]
	s.down, s.parts = true, map[dbclient.TxnID]*part{}
	time.AfterFunc(back, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		s.down = false
	})
}

// move makes another server the leader of a shard. What is in no log is lost.
func (w *world) move(name, url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sh := w.shards[name]
	for id, p := range w.servers[sh.leader].parts {
		if p.staged[name] != nil {
			w.servers[sh.leader].end(id, "the leadership of shard "+name+" moved")
		}
	}
	sh.leader = url
}

func (s *server) end(id dbclient.TxnID, why string) {
	delete(s.parts, id)
	s.ended[id] = why
}

func (s *server) part(p dbclient.TxnPart) (*part, error) {
	if found := s.parts[p.ID]; found != nil && found.token == p.Token {
		return found, nil
	}
	return nil, apierror.New(apierror.TxnGone, "the part of transaction %s is gone: %s", p.ID, s.ended[p.ID])
}

func (w *world) led(name, url string) (*shard, error) {
	if sh := w.shards[name]; sh != nil && sh.leader == url {
		return sh, nil
	}
	return nil, apierror.New(apierror.NotLeader, "%s does not lead %s", url, name)
}

func (w *world) Open(ctx context.Context, t dbclient.Target, r dbclient.TxnOpenRequest) (a dbclient.TxnOpenResponse, err error) {
	err = w.do(ctx, "open", t, "", func(s *server) error {
		p := s.parts[r.ID]
		if p == nil {
			w.opens++
			p = &part{token: fmt.Sprint("t", w.opens), staged: map[string]map[string]string{}, kept: time.Now()}
			s.parts[r.ID] = p
		}
		p.known = r.Elsewhere
		a.Token = p.token
		return nil
	})
	return a, err
}

func (w *world) Keep(ctx context.Context, t dbclient.Target, r dbclient.TxnKeepRequest) (a dbclient.TxnKeepResponse, err error) {
	err = w.do(ctx, "keep", t, "", func(s *server) error {
		a.Gone = map[dbclient.TxnID]string{}
		for _, name := range r.Parts {
			if p, err := s.part(name); err != nil {
				a.Gone[name.ID] = err.Error()
			} else {
				p.kept = time.Now()
			}
		}
		return nil
	})
	return a, err
}

func (w *world) Enter(ctx context.Context, t dbclient.Target, r dbclient.TxnEnterRequest) error {
	call := "enter"
	if r.Wait {
		call = "wait"
	}
	return w.do(ctx, call, t, "", func(s *server) error {
		p, err := s.part(r.TxnPart)
		if err != nil {
			return err
		}
		if r.Wait {
			for s.closed {
				w.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
				w.mu.Lock()
				if ctx.Err() != nil {
					return apierror.New(apierror.GateClosed, "backup b holds the gate")
				}
			}
			return nil
		}
		if s.closed {
			return apierror.New(apierror.GateClosed, "backup b holds the gate")
		}
		p.entered = true
		return nil
	})
}

func (w *world) Leave(ctx context.Context, t dbclient.Target, r dbclient.TxnPart) error {
	return w.do(ctx, "leave", t, "", func(s *server) error {
		if p, err := s.part(r); err == nil {
			p.entered = false
		}
		return nil
	})
}

func (w *world) End(ctx context.Context, t dbclient.Target, r dbclient.TxnEndRequest) error {
	what := ""
	if r.Commit {
		what = " commit"
	}
	return w.do(ctx, "end", t, what, func(s *server) error {
		_, err := s.part(r.TxnPart)
		if r.Commit && err != nil {
			return err
		}
		s.end(r.ID, r.Reason)
		for _, sh := range w.shards {
			if sh.leader == t.URL && !r.Commit {
				delete(sh.prepared, r.ID)
			}
		}
		return nil
	})
}

func (w *world) Forget(ctx context.Context, t dbclient.Target, r dbclient.TxnForgetRequest) error {
	return w.do(ctx, "forget", t, "", func(*server) error {
		for _, d := range r.Decisions {
			for name, sh := range w.shards {
				if _, inDoubt := sh.prepared[d.ID]; inDoubt {
					w.broken = append(w.broken, "a decision is forgotten that shard "+name+" needs")
				}
			}
			if sh, err := w.led(d.Shard, t.URL); err == nil {
				sh.decided[d.ID] = nil // a real one is deleted; what was decided is what the test asks for
			}
		}
		return nil
	})
}

func (w *world) Prepare(ctx context.Context, t dbclient.Target, name string, r dbclient.TxnPrepareRequest) error {
	return w.do(ctx, "prepare", t, " "+name, func(s *server) error {
		p, err := s.part(r.TxnPart)
		if err != nil {
			return err
		}
		sh, err := w.led(name, t.URL)
		if err != nil {
			return err
		}
		if !p.entered {
			panic("prepared outside of the gate")
		}
		sh.prepared[r.ID] = prepared{r.Home, p.staged[name]}
		return nil
	})
}

func (w *world) Decide(ctx context.Context, t dbclient.Target, name string, r dbclient.TxnDecideRequest) error {
	return w.do(ctx, "decide", t, " "+name, func(s *server) error {
		p, err := s.part(r.TxnPart)
		if err != nil {
			return err
		}
		sh, err := w.led(name, t.URL)
		if err != nil {
			return err
		}
		if p.entered != (len(r.Others) > 0) {
			panic("decided on the wrong side of the gate")
		}
		if s.closed && len(r.Others) == 0 {
			return apierror.New(apierror.GateClosed, "backup b holds the gate")
		}
		maps.Copy(sh.docs, p.staged[name])
		sh.decided[r.ID] = append([]dbclient.TxnShard{}, r.Others...)
		s.end(r.ID, "it is committed")
		return nil
	})
}

func (w *world) Resolve(ctx context.Context, t dbclient.Target, name string, r dbclient.TxnResolveRequest) error {
	return w.do(ctx, "resolve", t, " "+name, func(s *server) error {
		sh, err := w.led(name, t.URL)
		if err != nil {
			return err
		}
		sh.resolve(r.ID, r.Commit)
		s.end(r.ID, "it is committed")
		return nil
	})
}

func (sh *shard) resolve(id dbclient.TxnID, commit bool) {
	if p, ok := sh.prepared[id]; ok && commit {
		maps.Copy(sh.docs, p.staged)
	}
	delete(sh.prepared, id)
}

func (w *world) Ask(ctx context.Context, t dbclient.Target, name string, r dbclient.TxnAskRequest) (a dbclient.TxnAskResponse, err error) {
	err = w.do(ctx, "ask", t, " "+name, func(s *server) error {
		sh, err := w.led(name, t.URL)
		if err != nil {
			return apierror.New(apierror.ShardGone, "%s has no %s", t.URL, name)
		}
		a.Outcome = w.ask(sh, s, r.ID)
		return nil
	})
	return a, err
}

// ask is a question with Abandon.
func (w *world) ask(home *shard, s *server, id dbclient.TxnID) string {
	if _, ok := home.decided[id]; ok {
		return dbclient.TxnCommitted
	}
	s.end(id, "it was abandoned")
	return dbclient.TxnAbortedAs
}

// settle is what servers do by themselves: they ask the homes of what is prepared. It returns the parts that are left.
func (w *world) settle() (left []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sh := range w.shards {
		for id, p := range sh.prepared {
			home := w.shards[p.home.Shard]
			sh.resolve(id, w.ask(home, w.servers[home.leader], id) == dbclient.TxnCommitted)
		}
	}
	left = append(left, w.broken...)
	for url, s := range w.servers {
		for id := range s.parts {
			left = append(left, fmt.Sprint(url, " ", id))
		}
	}
	return left
}

// decided says whether there is a decision.
func (w *world) decided(id dbclient.TxnID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sh := range w.shards {
		if _, ok := sh.decided[id]; ok {
			return true
		}
	}
	return false
}

func (w *world) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

func (w *world) Documents(ctx context.Context, t dbclient.Target, name string, r dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
	write := slices.ContainsFunc(r.Ops, func(op dbclient.Op) bool { return op.Kind != dbclient.OpRead })
	call := "read"
	if write {
		call = "write"
	}
	if r.Whole {
		call = "whole " + call
	}
	err = w.do(ctx, call, t, " "+name, func(s *server) error {
		p, err := s.part(*r.Transaction)
		if err != nil {
			return err
		}
		sh, err := w.led(name, t.URL)
		if err != nil {
			return err
		}
		if p.staged[name] == nil {
			p.staged[name] = map[string]string{}
		}
		for _, op := range r.Ops {
			a.Results = append(a.Results, p.apply(sh, name, op))
		}
		return nil
	})
	return a, err
}

func (p *part) apply(sh *shard, name string, op dbclient.Op) dbclient.OpResult {
	value, ok := p.staged[name][op.Key]
	if !ok {
		value = sh.docs[op.Key]
	}
	result := dbclient.OpResult{Key: op.Key, Rev: "1"}
	switch {
	case op.Kind == dbclient.OpRead && value == "":
		result.Error = apierror.New(apierror.DocumentNotFound, "document not found")
	case op.Kind == dbclient.OpRead:
		result.New = json.RawMessage(value)
	case op.Key == "locked":
		result.Error = apierror.New(apierror.Conflict, "transaction 7 of coordinator CRDN-9 has locked the document")
	default:
		p.staged[name][op.Key] = string(op.Document)
	}
	return result
}

func (w *world) Scan(ctx context.Context, t dbclient.Target, name string, r dbclient.ScanRequest) (a dbclient.ScanResponse, err error) {
	err = w.do(ctx, "scan", t, " "+name, func(s *server) error {
		p, err := s.part(*r.Transaction)
		if err != nil {
			return err
		}
		all := maps.Clone(w.shards[name].docs)
		maps.Copy(all, p.staged[name])
		for _, key := range slices.Sorted(maps.Keys(all)) {
			a.Documents = append(a.Documents, json.RawMessage(all[key]))
			a.LastKey = key
		}
		return nil
	})
	return a, err
}

func (w *world) Count(ctx context.Context, t dbclient.Target, name string, r dbclient.CountRequest) (a dbclient.CountResponse, err error) {
	page, err := w.Scan(ctx, t, name, dbclient.ScanRequest{Transaction: r.Transaction})
	return dbclient.CountResponse{Count: uint64(len(page.Documents)), Revision: "1"}, err
}

func (w *world) Truncate(ctx context.Context, t dbclient.Target, name string, r dbclient.TruncateRequest) error {
	return w.do(ctx, "truncate", t, " "+name, func(s *server) error {
		p, err := s.part(*r.Transaction)
		if err != nil {
			return err
		}
		p.staged[name] = map[string]string{}
		for key := range w.shards[name].docs {
			p.staged[name][key] = ""
		}
		return nil
	})
}

func (w *world) Checksum(context.Context, dbclient.Target, string, dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error) {
	panic("no transaction asks for a checksum")
}

// fail sets what happens to requests; nil: nothing does.
func (w *world) fail(f func(call, url string) fault) {
	if f == nil {
		f = func(string, string) fault { return none }
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// hit calls what for the next call of a kind.
func (w *world) hit(kind string, what func() fault) {
	hit := false
	w.fail(func(call, _ string) fault {
		if call != kind || hit {
			return none
		}
		hit = true
		return what()
	})
}

// once has the next call of a kind fail.
func (w *world) once(kind string, f fault) { w.hit(kind, func() fault { return f }) }

func (w *world) close(url string, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[url].closed = is
}

func (w *world) entered(url string, id dbclient.TxnID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.servers[url].parts[id]
	return p != nil && p.entered
}

// restart makes a server forget its parts.
func (w *world) restart(url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[url].parts = map[dbclient.TxnID]*part{}
}
