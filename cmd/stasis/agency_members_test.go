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
	"stasis/fault"
	"stasis/internal/network"
)

// agents starts an agency in this process; every agent can be stopped.
func agents(t *testing.T, n int) (addresses []string, stop []func()) {
	addresses, stop, _ = agentsOn(t, n)
	return addresses, stop
}

// agentsOn gives their disks too, which can be made to hang.
func agentsOn(t *testing.T, n int) (addresses []string, stop []func(), disks []*fault.Disk) {
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
		disks = append(disks, fault.NewDisk())
		a, err := agency.Start(t.Context(), agency.Config{
			ID: fmt.Sprintf("AGNT-%d", i), Listen: addresses[i], Peers: peers, Network: network.TCP(), Dir: "agent", FS: disks[i].FS(),
			Timing: agency.Timing{Heartbeat: 200 * time.Millisecond, Election: 200 * time.Millisecond},
		})
		require.NoError(t, err)
		now, cancel := context.WithCancel(context.Background())
		cancel()
		stop = append(stop, func() { require.NoError(t, a.Close(now)) })
		t.Cleanup(stop[i])
	}
	return addresses, stop, disks
}

// TestAgencyTellsWhoseDiskHangs: of an agent that takes no part the list of members and
// the diagnosis say why.
func TestAgencyTellsWhoseDiskHangs(t *testing.T) {
	t.Parallel()
	addresses, _, disks := agentsOn(t, 3)
	call := func(args ...string) string {
		var out bytes.Buffer
		run(append([]string{"agency", "--agent", strings.Join(addresses, ","), "--timeout", "10s"}, args...), strings.NewReader(""), &out, &out)
		return out.String()
	}
	require.Equal(t, "1\n", call("write", `{"/x":1}`))
	leader := call("leader")
	var hung []int
	for i, address := range addresses {
		if !strings.Contains(leader, address) {
			hung = append(hung, i)
		}
	}
	t.Cleanup(disks[hung[0]].Hang(fault.Calls{Kinds: fault.Any}).End)
	require.Equal(t, "2\n", call("write", `{"/x":2}`))
	var said string
	require.Eventually(t, func() bool { said = call("members"); return strings.Contains(said, "its disk hangs, for ") }, time.Minute, 100*time.Millisecond, "%s", said)
	require.Contains(t, call("members", "--json"), `"diskHangs": {`)
	t.Cleanup(disks[hung[1]].Hang(fault.Calls{Kinds: fault.Any}).End)
	call("--timeout", "1s", "write", `{"/x":3}`) // nobody can say what becomes of it
	require.Eventually(t, func() bool {
		said = call("--timeout", "1s", "read", "/x")
		return strings.Count(said, "its disk hangs") == 2
	}, time.Minute, 100*time.Millisecond)
	require.Contains(t, said, "lost its majority: of 3 agents 1 can vote, 2 are needed")
	require.Contains(t, said, "goes on by itself when the disk does")
}

// TestAgencyCommands: what people and scripts type, on one agency from its
// beginning to the loss of its majority.
func TestAgencyCommands(t *testing.T) {
	t.Parallel()
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
