package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault/control"
)

// wired is the other end of a connection that a process serves.
func wired(t testing.TB, h control.Handler) (there net.Conn, end func()) {
	here, there := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { control.ServeConn(ctx, here, h) })
	return there, func() {
		_ = there.Close()
		cancel()
		serving.Wait()
	}
}

// Whatever bytes come, a process answers each line with a line of JSON that is an answer or an error, breaks nothing that the line does not
// ask for, and ends with the connection.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"do":"hello"}`, `{"id":1,"do":"net cut","from":"a","to":"b"}`, `{"id":-1,"do":"disk hang","calls":{"kinds":["sync"],"after":-1}}`,
		`{"id":9,"do":"hold","moment":{"Step":"cut"}}`, `{"id":2,"do":"rule end","rule":1e400}`, `{"id":3,"do":"net throttle","from":"a","to":"b","rate":-9223372036854775808}`,
		`{`, `[]`, `null`, `"`, "\x00", `{"id":1,"do":{"do":"hello"}}`, `{"id":4,"do":"net message"}`, `{"id":4,"do":"clock","by":9223372036854775807}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i, b := range raw { // one line
			if b == '\n' || b == '\r' {
				raw[i] = ' '
			}
		}
		p := newProcess()
		there, end := wired(t, p)
		defer end()
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = there.Write(append(append([]byte{}, raw...), '\n')) })
		defer writing.Wait()
		got, err := bufio.NewReader(there).ReadBytes('\n')
		if len(raw) > 0 {
			require.NoError(t, err)
			var answer struct {
				Answer *control.Answer
				Error  *control.Error
			}
			require.NoError(t, json.Unmarshal(got, &answer))
			require.True(t, (answer.Answer == nil) != (answer.Error == nil), string(got))
			if answer.Error != nil {
				require.NotEmpty(t, answer.Error.Code)
				require.NotEmpty(t, answer.Error.Message)
			}
		}
	})
}

// A line longer than the bound is refused with the bound, and the connection ends: what follows cannot be told apart any more.
func TestLongLine(t *testing.T) {
	there, end := wired(t, newProcess())
	defer end()
	var writing sync.WaitGroup
	writing.Go(func() { _, _ = there.Write(make([]byte, control.MostRequest+2)) })
	got, err := io.ReadAll(there)
	require.NoError(t, err)
	require.Contains(t, string(got), "a request has more than 65536 bytes")
	end()
	writing.Wait()
}

// An order reads on the other end as it was written: no field is lost on the wire.
func TestOrdersTravelWhole(t *testing.T) {
	o := control.Order{
		Do: control.DiskFail, Server: "s", From: "a", To: "b", By: 3, Jitter: 4, Seed: 5, Rate: 6, Bytes: 7, Error: "EIO", Rule: 8,
		Calls: &control.Calls{Kinds: []string{"sync"}, Path: "p", After: 9}, Random: &control.Random{Seed: 1, Probability: 0.5, Most: 2},
	}
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	var back control.Order
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, o, back)
}

// A request that is too long is refused after what is being sent, and tears none of it.
func TestRefusalTearsNoLine(t *testing.T) {
	p := newProcess()
	there, end := wired(t, p)
	defer end()
	_, err := io.WriteString(there, `{"id":1,"do":"watch"}`+"\n")
	require.NoError(t, err)
	lines := bufio.NewReaderSize(there, 16) // what it has not read, the process cannot send
	_, err = lines.ReadString('\n')
	require.NoError(t, err)
	const events = 500
	for range events {
		p.steps.Sink(t.Context(), event.Event{Step: event.CutDone, Detail: strings.Repeat("x", 300)})
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { _, _ = io.WriteString(there, strings.Repeat("y", control.MostRequest+1)) }) // it is not read to its end
	var last struct{ Error *control.Error }
	seen := 0
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		require.Nil(t, last.Error, "something comes after the refusal")
		require.NoError(t, json.Unmarshal(raw, &last), "line %d is torn: %.80s", seen, raw)
		seen++
	}
	require.Equal(t, events+1, seen)
	require.NotNil(t, last.Error)
	require.ErrorIs(t, last.Error, control.BadOrder)
}
