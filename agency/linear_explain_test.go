package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"stasis/internal/network"
)

// What a history says when it makes no sense. The kind of violation tells where to look: a read
// that shows too little is stale, one that shows too much has seen a write twice,
// and a counter that ends too low has lost one.

// attempts are the requests that one call of a client made, told as lines.
type attempts struct {
	begin time.Time
	mu    sync.Mutex
	lines []string
}

func (a *attempts) add(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

func (a *attempts) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.lines, "; ")
}

type attemptsKey struct{}

// told is a context whose requests are noted.
func (r *recorder) told(ctx context.Context) (context.Context, *attempts) {
	a := &attempts{begin: r.begin}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

// telling notes for each request which agent it was sent to, when, and what came of it.
type telling struct {
	http.RoundTripper
	agents map[string]string // by address
}

func (t telling) RoundTrip(request *http.Request) (*http.Response, error) {
	a, ok := request.Context().Value(attemptsKey{}).(*attempts)
	if !ok {
		return t.RoundTripper.RoundTrip(request)
	}
	sent := time.Since(a.begin)
	response, err := t.RoundTripper.RoundTrip(request)
	what := fmt.Sprint(err)
	if err == nil {
		what = response.Status
	}
	name := request.URL.Path[strings.LastIndexByte(request.URL.Path, '/')+1:]
	a.add("%s %s %s–%s: %s", t.agents[request.URL.Host], name, millis(int64(sent)), millis(int64(time.Since(a.begin))), what)
	return response, err
}

func millis(nanoseconds int64) string {
	if nanoseconds >= forEver {
		return "∞"
	}
	return fmt.Sprintf("%.1f", float64(nanoseconds)/1e6)
}

// explained fails the test with the history of every key that has no order in which it makes
// sense.
func (r *recorder) explained(t *testing.T, model porcupine.Model, history []porcupine.Operation, limit time.Duration, name string) {
	t.Helper()
	for _, part := range model.Partition(history) {
		result, info := porcupine.CheckOperationsVerbose(model, part, limit)
		if result != porcupine.Ok {
			require.Fail(t, "no order explains what the clients saw", "%s: %s\n%s", name, result, told(model, part, info))
		}
	}
}

// told is a history in the order of the calls: at the end the operations that have no place in
// the longest order that was found.
func told(model porcupine.Model, part []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := map[string]int{}
	for i, o := range longest {
		placed[line(model, o)] = i
	}
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var all, homeless strings.Builder
	for _, o := range part {
		l := line(model, o)
		at, ok := placed[l]
		if !ok {
			fmt.Fprintf(&homeless, "  %s\n", l)
		}
		fmt.Fprintf(&all, "  %4d %s {%v}\n", at, l, o.Metadata)
	}
	return fmt.Sprintf("the history (place in the longest order, client, call–return in ms, operation, {requests}):\n%s"+
		"the longest order has %d of %d operations; no place for:\n%s", &all, len(longest), len(part), &homeless)
}

func line(model porcupine.Model, o porcupine.Operation) string {
	return fmt.Sprintf("client %d %s–%s %s", o.ClientId, millis(o.Call), millis(o.Return), model.DescribeOperation(o.Input, o.Output))
}

// twice tells which client ids the log of an agent has more than once, "" if none. The agent may have been started a moment ago.
func (p *processes) twice(id string) string {
	ask := newCaller(network.TCP())
	defer ask.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	r, err := ask.send(ctx, "GET", "http://"+p.peers[id]+"/_api/agency/state", "")
	for err != nil && ctx.Err() == nil {
		pause(ctx.Done(), waitStep)
		r, err = ask.send(ctx, "GET", "http://"+p.peers[id]+"/_api/agency/state", "")
	}
	var state struct {
		Log []struct {
			Index    uint64          `json:"index"`
			Term     uint64          `json:"term"`
			ClientID string          `json:"clientId"`
			Time     int64           `json:"timestamp"`
			Query    json.RawMessage `json:"query"`
		} `json:"log"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &state)
	}
	if err != nil {
		return fmt.Sprintf("its log is not told: %v", err)
	}
	seen := map[string][]string{}
	for _, e := range state.Log {
		if e.ClientID != "" {
			seen[e.ClientID] = append(seen[e.ClientID], fmt.Sprintf("index %d, term %d, time %d: %s", e.Index, e.Term, e.Time, e.Query))
		}
	}
	var b strings.Builder
	for _, client := range slices.Sorted(maps.Keys(seen)) {
		if len(seen[client]) > 1 {
			fmt.Fprintf(&b, "\n  %s was applied %d times: %s", client, len(seen[client]), strings.Join(seen[client], "; "))
		}
	}
	return b.String()
}
