package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/fault"
	"stasis/fsm"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// misdeed is what an agent does wrong with one request.
type misdeed int

const (
	none        misdeed = iota
	hangUp              // closes the connection without doing anything
	loseAnswer          // does it, and closes the connection
	refuse              // 503 without doing anything
	applyAnd503         // does it, and answers 503: leadership lost meanwhile
	applyAnd408
	hang    // never answers
	astray  // 404 of something that is no agent
	strange // 200, and not what was asked for
)

// fake is an agency of three agents a, b and c in memory that share one tree, with
// faults on demand: the client's side of the wire is real.
type fake struct {
	t    *testing.T
	net  *fault.Network
	http *http.Client
	log  *strings.Builder

	mu        sync.Mutex
	leader    string // "" for none
	machine   *fsm.Machine
	transient *fsm.Machine
	faults    map[string][]misdeed // host or host/call or call → of the next requests
	seen      []string             // host/call
}

// withFake runs a test in a bubble against a fake agency led by a.
func withFake(t *testing.T, test func(*testing.T, *fake, *Client)) {
	bubbles.Test(t, func(t *testing.T) {
		f := &fake{
			t: t, net: fault.NewNetwork(), log: &strings.Builder{}, leader: "a",
			machine: fsm.New(1000), transient: fsm.New(0), faults: map[string][]misdeed{},
		}
		var servers []*network.Server
		for _, host := range []string{"a", "b", "c"} {
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(host, w, r) })
			s, err := network.NewServer(f.net.Host(host), handler, network.ServerOptions{Address: host + ":1"})
			require.NoError(t, err)
			servers = append(servers, s)
		}
		f.http = network.NewHTTPClient(f.net.Host("client"))
		defer func() {
			f.http.CloseIdleConnections()
			done, cancel := context.WithCancel(context.Background())
			cancel()
			for _, s := range servers {
				_ = s.Shutdown(done) // cut short on purpose
			}
			require.NoError(t, f.net.Close())
		}()
		test(t, f, f.client())
	})
}

func (f *fake) client() *Client {
	return New(Options{
		Endpoints: []string{"http://a:1", "tcp://b:1", "c:1"},
		HTTP:      f.http,
		Logger:    hclog.New(&hclog.LoggerOptions{Output: f.log, DisableTime: true}),
	})
}

func (f *fake) fail(where string, what ...misdeed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[where] = append(f.faults[where], what...)
}

func (f *fake) elect(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leader = host
}

// requests gives what came in since the last call.
func (f *fake) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := strings.Join(f.seen, " ")
	f.seen = nil
	return seen
}

func (f *fake) root() *fsm.Node { return f.machine.State().Root() }

// next takes the fault for a request.
func (f *fake) next(host, call string) misdeed {
	for _, where := range []string{host + "/" + call, host, call} {
		if list := f.faults[where]; len(list) > 0 {
			f.faults[where] = list[1:]
			return list[0]
		}
	}
	return none
}

func (f *fake) serve(host string, w http.ResponseWriter, r *http.Request) {
	call := path.Base(r.URL.Path)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.seen = append(f.seen, host+"/"+call)
	what, leader := f.next(host, call), f.leader
	f.mu.Unlock()
	switch what {
	case hang:
		<-r.Context().Done()
		return
	case hangUp:
		panic(http.ErrAbortHandler)
	case refuse:
		reply(w, 503, map[string]any{"message": "No leader"})
		return
	case astray:
		http.Error(w, "404 page not found", 404)
		return
	case strange:
		reply(w, 200, "moo")
		return
	}
	switch {
	case leader == "":
		reply(w, 503, map[string]any{"message": "No leader"})
	case leader != host:
		w.Header().Set("Location", "http://"+leader+":1"+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		status, result := f.answer(r, call, body)
		switch what {
		case loseAnswer:
			panic(http.ErrAbortHandler)
		case applyAnd503:
			status, result = 503, nil
		case applyAnd408:
			status, result = 408, nil
		}
		reply(w, status, result)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// answer is what an agent without fault says.
func (f *fake) answer(r *http.Request, call string, body []byte) (int, any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var elements []json.RawMessage
	if call != "poll" && json.Unmarshal(body, &elements) != nil {
		return 400, map[string]any{"message": "no array"}
	}
	switch call {
	case "inquire":
		status, results := 200, []uint64{}
		for _, e := range elements {
			index := f.machine.State().Inquire(strings.Trim(string(e), `"`))
			if index == 0 {
				status = 404
			}
			results = append(results, index)
		}
		return status, map[string]any{"results": results, "inquired": true}
	case "write":
		status, results := 200, []uint64{}
		for _, e := range elements {
			o := apply(f.machine, e)
			if len(o.Failed) > 0 {
				status = 412
			}
			results = append(results, o.Index)
		}
		return status, map[string]any{"results": results}
	case "poll":
		s := f.machine.State()
		return 200, map[string]any{"result": map[string]any{"log": []any{}, "commitIndex": s.Index(), "firstIndex": s.Index()}}
	case "transient":
		_, results := mixed(f.transient, elements)
		for i, result := range results {
			if index, written := result.(uint64); written {
				results[i] = index > 0
			} else if _, values := result.(failure); values {
				results[i] = false
			}
		}
		return 200, results
	default: // read
		return mixed(f.machine, elements)
	}
}

type failure struct{ *fsm.Node }

func mixed(m *fsm.Machine, elements []json.RawMessage) (status int, results []any) {
	status = 200
	for _, e := range elements {
		var paths []string
		if json.Unmarshal(e, &paths) == nil {
			results = append(results, m.State().Read(paths))
			continue
		}
		o := apply(m, e)
		if o.Index > 0 {
			results = append(results, o.Index)
			continue
		}
		status = 412
		results = append(results, failure{m.State().Read(o.Failed)})
	}
	return status, results
}

func apply(m *fsm.Machine, raw json.RawMessage) fsm.Outcome {
	tx, err := fsm.ParseTransaction(raw)
	if err != nil {
		return fsm.Outcome{Reason: err}
	}
	return m.Apply(1, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{tx}})[0]
}

// within gives a context that ends after d of the bubble's time.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
