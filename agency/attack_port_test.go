package agency

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// What the Raft port says and bears, as DESIGN has it (see package port).
const (
	raftPreamble = "STASIS-RAFT/2\n"
	welcome      = "ok"
	longestLine  = 4096
	helloTime    = 10 * time.Second
	mostUnknown  = 512
	mostCallers  = 512
)

// TestRaftPortIsShut: who does not say in a line, and soon, who it is and whom it calls, is
// sent away.
func TestRaftPortIsShut(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		c.leader()
		a := c.agents["a"]
		raw, err := json.Marshal(a.origins.Origin())
		require.NoError(t, err)
		origin := string(raw)
		for _, line := range []string{
			"\n", "{}\n", "nonsense\n", strings.Repeat("x", 2*longestLine), `{"to":"AGNT-b","from":"AGNT-c"}` + "\n", `{"to":"AGNT-a"}` + "\n",
			`{"to":"AGNT-a","from":"AGNT-a","origin":` + origin + "}\n", `{"to":"","from":"AGNT-b","origin":` + origin + "}\n", `{"to":"AGNT-a","from":"AGNT-b"`,
		} {
			conn, err := c.net.Host("stranger").DialContext(t.Context(), "tcp", "a:1")
			require.NoError(t, err)
			_, err = io.WriteString(conn, raftPreamble+line)
			require.NoError(t, err)
			begun := time.Now()
			require.NoError(t, conn.SetReadDeadline(begun.Add(2*helloTime)))
			said, _ := io.ReadAll(conn) // the connection's end may be an error: it has to end
			require.NotEqual(t, welcome+"\n", string(said), "a stream is for any agent: %q", line)
			require.LessOrEqual(t, time.Since(begun), helloTime)
			require.NoError(t, conn.Close())
		}
		conn, err := c.net.Host("stranger").DialContext(t.Context(), "tcp", "a:1")
		require.NoError(t, err)
		begun := time.Now()
		for _, b := range []byte(raftPreamble + strings.Repeat(" ", 1000)) {
			if _, err = conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		require.Error(t, err, "it may take all the time")
		require.Less(t, time.Since(begun), 3*helloTime)
		require.NoError(t, conn.Close())
	})
}

// TestStrangersAreBounded: however many connections there are that say nothing, and streams
// that do, their number is bounded, and agents and clients come through.
func TestStrangersAreBounded(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		name := c.others(leader)[0]
		host := c.net.Host("stranger")
		var open []net.Conn
		for i := range 3 * mostUnknown {
			conn, err := host.DialContext(t.Context(), "tcp", c.peers["AGNT-"+name])
			require.NoError(t, err)
			open = append(open, conn)
			if i%3 == 0 {
				_, err = io.WriteString(conn, raftPreamble)
				require.NoError(t, err)
			}
		}
		stranger := c.stranger(c.agents[leader])
		defer func() { require.NoError(t, stranger.Close()) }()
		for range 2 * mostCallers {
			conn, err := stranger.Dial(raft.ServerAddress("AGNT-"+name+"@"+c.peers["AGNT-"+name]), time.Second)
			require.NoError(t, err)
			open = append(open, conn)
			time.Sleep(time.Millisecond)
		}
		n := 0
		for _, conn := range open {
			if isOpen(conn) {
				n++
			}
		}
		require.LessOrEqual(t, n, mostUnknown+mostCallers+20, "what strangers open is not bounded")
		require.Greater(t, n, mostCallers, "there was no crowd")
		require.Equal(t, 200, c.ask(name, "config", "").status)
		for range 5 {
			require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":{"op":"increment"}}]]`).status)
			time.Sleep(time.Second)
		}
		require.Equal(t, `200 [{"x":5}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
		require.Equal(t, decoded(t, c.ask(c.leader(), "state", ""))["agency"], decoded(t, c.ask(name, "state", ""))["agency"])
		for _, conn := range open {
			require.NoError(t, conn.Close())
		}
	})
}

// isOpen says whether the agent has not ended a connection: nothing more comes, and no end.
func isOpen(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(time.Microsecond)) != nil {
		return false
	}
	_, err := io.Copy(io.Discard, conn)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// TestGarbageCalls: behind the line of a stream may come anything; it ends the stream at most.
func TestGarbageCalls(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, 200, c.ask(leader, "write", `[[{"x":1}]]`).status)
		name := c.others(leader)[0]
		calls := [][]byte{
			{99}, {0}, {0, 0xc0}, {0, 0x80}, {3, 0x80}, {1, 0x80}, {2, 0x80}, {4, 0x80},
			{0, 0xdf, 0xff, 0xff, 0xff, 0xff}, // a map of four milliards
			append([]byte{0, 0x81, 0xa7}, "Entries\xdd\xff\xff\xff\xff"...),
			append([]byte{0, 0x81, 0xa7}, "Entries\x91\x81\xa4Data\xc6\xff\xff\xff\xff"...),
			append([]byte{0, 0x81, 0xa4}, "Term\xcf\xff\xff\xff\xff\xff\xff\xff\xff"...), // by then not told who leads
			append([]byte{0, 0x81, 0xa1, 'X'}, bytes.Repeat([]byte{0x91}, 1<<20)...),     // deep
			append([]byte{3, 0x81, 0xa4}, "Size\xd3\xff\xff\xff\xff\xff\xff\xff\xff"...),
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			call := make([]byte, 1+random.IntN(200))
			for i := range call {
				call[i] = byte(random.UintN(256))
			}
			call[0] %= 6
			calls = append(calls, call)
		}
		stranger := c.stranger(c.agents[leader])
		defer func() { require.NoError(t, stranger.Close()) }()
		for _, call := range calls {
			conn, err := stranger.Dial(raft.ServerAddress("AGNT-"+name+"@"+c.peers["AGNT-"+name]), time.Second)
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
			_, _ = conn.Write(call)          // the stream may have ended in the middle of it
			_, _ = io.Copy(io.Discard, conn) // it waits for more, ends, or answers a call that was none by accident
			require.NoError(t, conn.Close())
		}
		time.Sleep(10 * time.Second)
		leader = c.leader()
		require.Equal(t, 200, c.ask(leader, "write", `[[{"y":1}]]`).status)
		time.Sleep(time.Second)
		for name, a := range c.agents {
			require.Equal(t, map[string]any{"x": 1.0, "y": 1.0}, decoded(t, c.ask(name, "state", ""))["agency"])
			require.Empty(t, a.Err())
		}
	})
}
