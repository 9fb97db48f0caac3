package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	"stasis/internal/network"
)

// agents starts an agency in this process; every agent can be stopped.
func agents(t *testing.T, n int) (addresses []string, stop []func()) {
	t.Helper()
	peers := map[string]string{}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addresses = append(addresses, l.Addr().String())
		peers[fmt.Sprintf("AGNT-%d", i)] = l.Addr().String()
		require.NoError(t, l.Close())
	}
	for i := range n {
		a, err := agency.Start(t.Context(), agency.Config{
			ID: fmt.Sprintf("AGNT-%d", i), Listen: addresses[i], Peers: peers, Network: network.TCP(), Stores: agency.NewMemoryStores(),
			Timing: agency.Timing{Heartbeat: 200 * time.Millisecond, Election: 200 * time.Millisecond},
		})
		require.NoError(t, err)
		now, cancel := context.WithCancel(context.Background())
		cancel()
		stop = append(stop, func() { require.NoError(t, a.Close(now)) })
		t.Cleanup(stop[i])
	}
	return addresses, stop
}

// TestAgencyCommands: what people and scripts type, on one agency from its
// beginning to the loss of its majority.
func TestAgencyCommands(t *testing.T) {
	addresses, stop := agents(t, 3)
	call := func(args ...string) (string, string, int) {
		var out, errOut bytes.Buffer
		status := run(append([]string{"agency", "--agent", addresses[0], "--timeout", "10s"}, args...), strings.NewReader(""), &out, &errOut)
		return out.String(), errOut.String(), status
	}
	for _, row := range []struct {
		args   []string
		out    string
		errOut string
	}{
		{[]string{"write", `{"/jobs/7":{"op":"set","new":"mine"}}`, `{"/jobs/7":{"oldEmpty":true}}`}, "1\n", ""},
		{[]string{"write", `{"/jobs/7":1}`, `{"/jobs/7":{"oldEmpty":true}}`}, "", "precondition failed"},
		{[]string{"write", `{"/jobs/8":{"op":"increment"}}`}, "2\n", ""},
		{[]string{"write", `[]`}, "", "no JSON object"},
		{[]string{"read", "/jobs/7", "/other"}, `{"jobs":{"7":"mine"}}` + "\n", ""},
		{[]string{"dump", "/jobs/"}, "{\n  \"7\": \"mine\",\n  \"8\": 1\n}\n", ""},
		{[]string{"dump", "/none"}, "", "nothing at /none"},
		{[]string{"leader"}, "AGNT-", ""},
		{[]string{"members"}, "keeps up", ""},
		{[]string{"members", "--json"}, `"voter": true`, ""},
		{[]string{"remove", "AGNT-nobody"}, "", "no member"},
		{[]string{"transfer"}, "", ""},
		{[]string{"remove", "AGNT-2"}, "no member any more", ""},
	} {
		out, errOut, status := call(row.args...)
		require.Equal(t, row.errOut != "", status != 0, "%v: %s%s", row.args, out, errOut)
		require.Contains(t, out, row.out, row.args)
		require.Contains(t, errOut, row.errOut, row.args)
	}
	stop[1]()
	_, errOut, status := call("--timeout", "2s", "read", "/jobs")
	require.NotZero(t, status)
	require.Contains(t, errOut, "lost its majority: 1 of 2 agents answer, 2 are needed")
	require.Contains(t, errOut, addresses[1])
}
