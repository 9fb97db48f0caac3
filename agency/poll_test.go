package agency

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
)

var stamps = regexp.MustCompile(`,"timestamp":\d+|,"term":\d+`)

// canonical is a body without what differs from run to run, for comparison.
func canonical(t testing.TB, r reply) string {
	t.Helper()
	require.Equal(t, 200, r.status, r.body)
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(stamps.ReplaceAllString(r.body, ""))))
	var envelope struct {
		Error  bool            `json:"error"`
		Code   int             `json:"code"`
		Result json.RawMessage `json:"result"`
	}
	require.NoError(t, json.Unmarshal(compact.Bytes(), &envelope))
	raw, err := json.Marshal(envelope)
	require.NoError(t, err)
	return string(raw)
}

func result(format string, args ...any) string {
	return `{"error":false,"code":200,"result":` + fmt.Sprintf(format, args...) + `}`
}

// TestPollTable: every row of the contract, with the time each answer takes.
func TestPollTable(t *testing.T) {
	inBubble(t, 3, Timing{KeepLog: 3}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		poll := func(query string) (string, time.Duration) {
			t.Helper()
			begin := time.Now()
			r := c.ask(leader, "poll"+query, "")
			return canonical(t, r), time.Since(begin)
		}
		at := func(took time.Duration, want, query string) {
			t.Helper()
			got, waited := poll(query)
			require.Equal(t, want, got, query)
			require.Equal(t, took, waited.Round(time.Second), query)
		}
		at(0, result(`{"commitIndex":0,"firstIndex":0,"readDB":{}}`), "")
		at(60*time.Second, result(`{"commitIndex":0,"firstIndex":0,"log":[]}`), "?index=1")
		c.ask(leader, "write", `[[{"a":1}],[{".hidden":2}],[{"b":1},{"b":9}],[{"a":2},{},"me"],[{"a":3}]]`)
		at(0, result(`{"commitIndex":4,"firstIndex":0,"readDB":{".hidden":2,"a":3}}`), "?index=0")
		at(0, result(`{"commitIndex":4,"firstIndex":0,"readDB":{".hidden":2,"a":3}}`), "?index=1") // no longer kept
		at(0, result(`{"commitIndex":4,"firstIndex":2,"log":[{"index":2,"query":{".hidden":2}},{"index":3,"query":{"a":2},"clientId":"me"},{"index":4,"query":{"a":3}}]}`), "?index=2")
		at(0, result(`{"commitIndex":4,"firstIndex":4,"log":[{"index":4,"query":{"a":3}}]}`), "?index=4")
		at(2*time.Second, result(`{"commitIndex":4,"firstIndex":4,"log":[]}`), "?index=5&timeout=2")
		at(0, result(`{"commitIndex":4,"firstIndex":4,"log":[]}`), "?index=5&timeout=0")
		at(time.Second, result(`{"commitIndex":4,"firstIndex":4,"log":[]}`), "?index=99&timeout=1.2")
	})
}

// TestPollWakes: three transactions in one write wake a poll once, with all three;
// failed ones do not.
func TestPollWakes(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		answers := make(chan reply, 1)
		go func() {
			r, err := c.try(context.Background(), leader, "poll?index=1", "")
			if err != nil {
				r.body = err.Error()
			}
			answers <- r
		}()
		time.Sleep(time.Second)
		c.ask(leader, "write", `[[{"a":1},{"a":1}]]`)
		time.Sleep(time.Second)
		select {
		case r := <-answers:
			require.Fail(t, "woken by nothing", r.body)
		default:
		}
		c.ask(leader, "write", `[[{"a":1}],[{"a":2}],[{"a":3}]]`)
		require.Equal(t, result(`{"commitIndex":3,"firstIndex":1,"log":[{"index":1,"query":{"a":1}},{"index":2,"query":{"a":2}},{"index":3,"query":{"a":3}}]}`), canonical(t, <-answers))
	})
}

// TestPollEndsWithLeadership: a waiting poll is told, whether its leader is cut
// off or stopped.
func TestPollEndsWithLeadership(t *testing.T) {
	for _, end := range []func(*cluster, string){
		func(c *cluster, leader string) {
			for name := range c.agents {
				if name != leader {
					c.net.Cut(name, leader)
				}
			}
		},
		func(c *cluster, leader string) {
			if err := c.agents[leader].Close(context.Background()); err != nil {
				c.t.Error(err)
			}
			delete(c.agents, leader)
		},
	} {
		inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
			leader := c.leader()
			answers := make(chan reply, 1)
			go func() {
				r, err := c.try(context.Background(), leader, "poll?index=1", "")
				if err != nil {
					r.body = err.Error()
				}
				answers <- r
			}()
			time.Sleep(time.Second)
			begin := time.Now()
			end(c, leader)
			r := <-answers
			require.Equal(t, 503, r.status, r.body)
			require.Less(t, time.Since(begin), 3*time.Second)
		})
	}
}

// TestExpiredKeysAreGone: time to live ends between two writes, for reads too.
func TestExpiredKeysAreGone(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"a":{"op":"set","new":1,"ttl":10}}]]`)
		time.Sleep(9 * time.Second)
		require.Equal(t, `200 [{"a":1}]`, c.ask("a", "read", `[["a"]]`).String())
		time.Sleep(2 * time.Second)
		require.Equal(t, `200 [{}]`, c.ask("a", "read", `[["a"]]`).String())
		require.Equal(t, `200 [{},2]`, c.ask("a", "transact", `[["a"],[{"b":1},{"a":{"oldEmpty":true}}]]`).String())
	})
}

// TestPollPacked: who says so gets a long answer compressed, anybody else and short
// ones are plain; our own client understands both.
func TestPollPacked(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.ask(leader, "write", `[[{"a":1}]]`)
		short := c.ask(leader, "poll?index=1", "", "Accept-Encoding", "gzip")
		require.Empty(t, short.header.Get("Content-Encoding"))
		c.ask(leader, "write", `[[{"b":"`+strings.Repeat("long ", 8<<10)+`"}]]`)
		plain := c.ask(leader, "poll?index=1", "", "Accept-Encoding", "gzip;q=0, identity")
		packed := c.ask(leader, "poll?index=1", "", "Accept-Encoding", "br, gzip")
		require.Empty(t, plain.header.Get("Content-Encoding"))
		require.Equal(t, "gzip", packed.header.Get("Content-Encoding"))
		require.Less(t, len(packed.body), len(plain.body)/10)
		r, err := gzip.NewReader(strings.NewReader(packed.body))
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, plain.body, string(text))

		own := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + leader + ":1"}, HTTP: c.http})
		got, err := own.Poll(t.Context(), 1, time.Second)
		require.NoError(t, err)
		require.Len(t, got.Log, 2)
	})
}

// TestFollowersAreWokenRarely: while the tree changes all the time, a hundred
// followers get ten answers a second each, and miss nothing.
func TestFollowersAreWokenRarely(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		const followers, seconds = 100, 1
		c.net.Delay("client", leader, 3*time.Millisecond) // they are away for a while before they ask again
		c.net.Delay(leader, "client", 3*time.Millisecond)
		writer := newCaller(c.net.Host("writer"))
		defer writer.http.CloseIdleConnections()
		var answers atomic.Int64
		var wait sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for range followers {
			wait.Go(func() {
				for next := uint64(1); ctx.Err() == nil; {
					r, err := c.try(ctx, leader, fmt.Sprintf("poll?index=%d", next), "")
					var body struct {
						Result struct {
							CommitIndex uint64
							Log         []struct{ Index uint64 }
						}
					}
					if err != nil || decode(r, &body) != nil || len(body.Result.Log) == 0 || body.Result.Log[0].Index != next {
						break // the count tells
					}
					answers.Add(1)
					next = body.Result.CommitIndex + 1
				}
			})
		}
		for begin := time.Now(); time.Since(begin) < seconds*time.Second; time.Sleep(2 * time.Millisecond) {
			r, err := writer.send(t.Context(), "POST", "http://"+leader+":1/_api/agency/write", `[[{"x":{"op":"increment"}}]]`)
			require.NoError(t, err)
			require.Equal(t, 200, r.status)
		}
		stop()
		wait.Wait()
		require.Less(t, answers.Load(), int64(followers*seconds*20)) // until it is known how many they are, there are more
		require.Greater(t, answers.Load(), int64(followers*seconds*8))
	})
}
