package fault_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// The networks of the table: one in memory, and one over another, as processes have it.
var layered = map[string]struct {
	make    func() (m *fault.Network, closing func() error)
	address string // on which the server listens
}{
	"memory": {func() (*fault.Network, func() error) {
		m := fault.NewNetwork()
		return m, m.Close
	}, "server:80"},
	"over": {func() (*fault.Network, func() error) {
		below := fault.NewNetwork()
		m := fault.NewNetworkOver(below.Host("box"), nil)
		return m, func() error {
			if err := m.Close(); err != nil {
				return err
			}
			return below.Close()
		}
	}, "box:80"},
}

// byteRule is a rule of bytes between client and server. It holds up what it concerns until all is healed, unless it lets answers through.
type byteRule struct {
	set      func(m *fault.Network)
	answered bool
}

const answersLate = 4500 * time.Millisecond // less than an attempt to connect may take

var byteRules = map[string]byteRule{
	"none":                 {func(*fault.Network) {}, true},
	"delay of answers":     {func(m *fault.Network) { m.Delay("server", "client", 2*time.Second) }, true},
	"delay of requests":    {func(m *fault.Network) { m.Delay("client", "server", 2*time.Second) }, true},
	"throttle":             {func(m *fault.Network) { m.Throttle("client", "server", 500) }, true},
	"cut of requests":      {func(m *fault.Network) { m.Cut("client", "server") }, false},
	"cut of answers":       {func(m *fault.Network) { m.Cut("server", "client") }, false},
	"freeze of requests":   {func(m *fault.Network) { m.FreezeLink("client", "server") }, false},
	"freeze of answers":    {func(m *fault.Network) { m.FreezeLink("server", "client") }, false},
	"isolation":            {func(m *fault.Network) { m.Isolate("server") }, false},
	"cut and throttle":     {func(m *fault.Network) { m.Cut("client", "server"); m.Throttle("client", "server", 500) }, false},
	"reset on the way":     {func(m *fault.Network) { m.Delay("server", "client", answersLate); resetLater(m) }, false},
	"half open on the way": {func(m *fault.Network) { m.Delay("server", "client", answersLate); halfOpenLater(m) }, false},
}

// They strike when each request has been sent, and no answer has arrived.
func resetLater(m *fault.Network) {
	time.AfterFunc(4*time.Second, func() { m.Reset("client", "server") })
}

func halfOpenLater(m *fault.Network) {
	time.AfterFunc(4*time.Second, func() { m.HalfOpen("server", "client") })
}

// messageRules are rules of messages, with how often a request arrives in the end, and whether its answer does.
var messageRules = map[string]struct {
	rule     fault.Message
	arrives  int
	answered bool
}{
	"none":         {fault.Message{}, 1, true},
	"lose request": {fault.Message{Do: fault.LoseRequest}, 0, false},
	"lose answer":  {fault.Message{Do: fault.LoseAnswer}, 1, false},
	"duplicate":    {fault.Message{Do: fault.Duplicate}, 2, true},
	"delay":        {fault.Message{Do: fault.DelayIt, By: 3 * time.Second}, 1, true},
	"reorder":      {fault.Message{Do: fault.Reorder, By: time.Second}, 1, true}, // nothing overtakes it
}

// Each rule of bytes goes with each rule of messages, in a network in memory and in one over another: a request arrives as often as the rule of
// messages says, when the rule of bytes lets it; its caller gets an answer if both let it through; and a heal leaves a whole network.
func TestBytesAndMessages(t *testing.T) {
	for network := range layered {
		for bytes := range byteRules {
			for messages := range messageRules {
				t.Run(network+"/"+bytes+"/"+messages, func(t *testing.T) {
					bubbles.Test(t, func(t *testing.T) { together(t, network, bytes, messages) })
				})
			}
		}
	}
}

func together(t *testing.T, over, bytes, messages string) {
	m, closing := layered[over].make()
	o := &office{T: t, m: m, arrived: make(chan struct{}, 100), stream: make(chan struct{})}
	s, err := network.NewServer(m.Host("server"), http.HandlerFunc(o.serve), network.ServerOptions{Address: layered[over].address})
	require.NoError(t, err)
	o.url, o.client = s.URL(), network.NewHTTPClient(m.Host("client"))
	defer func() {
		o.client.CloseIdleConnections()
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, closing())
	}()
	_, err = o.send(t.Context(), "/first", nil) // there is a connection
	require.NoError(t, err)

	b, msg := byteRules[bytes], messageRules[messages]
	b.set(m)
	var rule *fault.MessageRule
	if msg.rule.Do != "" {
		msg.rule.From, msg.rule.To, msg.rule.Path = "client", "server", "/a"
		rule = m.Message(msg.rule)
	}
	_, err = o.send(o.patient(10*time.Second), "/a", strings.NewReader("x"))
	require.Equal(t, b.answered && msg.answered, err == nil, "%v", err)
	time.Sleep(3 * time.Second) // a copy that could not be sent is still tried
	m.HealAll()
	time.Sleep(time.Minute)
	arrived := 0
	for _, p := range o.got() {
		if p.path == "/a" {
			require.Equal(t, "x", p.body)
			arrived++
		}
	}
	require.Equal(t, msg.arrives, arrived, "requests that have arrived")
	if rule != nil && b.answered && msg.rule.Do != fault.Reorder {
		require.Equal(t, 1, rule.Met())
	}
	require.Empty(t, m.Rules())
	o.client.CloseIdleConnections() // one that is half open stays so
	begun := time.Now()
	_, err = o.send(o.patient(time.Minute), "/last", nil)
	require.NoError(t, err, "the network is whole")
	require.Zero(t, time.Since(begun))
	synctest.Wait()
}
