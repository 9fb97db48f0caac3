package fault_test

import (
	"context"
	"io"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/client"
	dbclient "stasis/dbserver/client"
	"stasis/fault"
)

// A client takes a write whose request was lost for one whose outcome is unknown, as with a loss on a network, and not for one that was not
// sent. Each client of this module is asked.
func TestLostRequestsAreOfUnknownOutcome(t *testing.T) {
	for name, write := range map[string]func(*office, context.Context) error{
		"client": func(o *office, ctx context.Context) error {
			c, err := client.New(o.url, client.Options{HTTP: o.client})
			require.NoError(o, err)
			_, err = c.Database("_system").Insert(ctx, "c", map[string]int{"n": 1})
			require.ErrorIs(o, err, client.ErrUnknownOutcome)
			return err
		},
		"agency": func(o *office, ctx context.Context) error {
			tx := agencyclient.NewTx()
			tx.Ops["/a"] = 1
			_, err := agencyclient.New(agencyclient.Options{Endpoints: []string{o.url}, HTTP: o.client}).Write(ctx, tx)
			require.ErrorIs(o, err, agencyclient.ErrUnknown)
			return err
		},
		"DB server": func(o *office, ctx context.Context) error {
			_, err := dbclient.New(o.client).Verify(ctx, dbclient.Target{URL: o.url}, dbclient.PieceRequest{}) // needs no session
			require.NotErrorIs(o, err, dbclient.ErrNotSent)
			return err
		},
		"gate of a DB server": func(o *office, ctx context.Context) error {
			err := dbclient.New(o.client).GateLock(ctx, dbclient.Target{URL: o.url}, dbclient.GateLockRequest{}, func(dbclient.GateLockResponse) {})
			require.NotErrorIs(o, err, dbclient.ErrNotSent)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			work(t, func(o *office) {
				rule := o.m.Message(fault.Message{From: "client", To: "server", Do: fault.LoseRequest})
				require.Error(o, write(o, o.patient(10*time.Second)))
				require.Positive(o, rule.Met())
				require.Empty(o, o.got(), "it never arrived")
			})
		})
	}
}

// A trace of a lost request is one of a request that was written: a connection, the headers, the body to its end, and no first byte of an answer.
func TestTraceOfALostRequest(t *testing.T) {
	work(t, func(o *office) {
		o.m.Message(fault.Message{Do: fault.LoseRequest, By: time.Second})
		var mu sync.Mutex
		var seen []string
		see := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, what)
		}
		ctx := httptrace.WithClientTrace(o.Context(), &httptrace.ClientTrace{
			GetConn: func(at string) { see("get " + at) },
			GotConn: func(i httptrace.GotConnInfo) {
				see("got " + i.Conn.LocalAddr().String() + " -> " + i.Conn.RemoteAddr().String())
			},
			WroteHeaders: func() { see("headers") },
			WroteRequest: func(i httptrace.WroteRequestInfo) {
				require.NoError(o, i.Err)
				see("request")
			},
			GotFirstResponseByte: func() { see("answer") },
		})
		for name, body := range map[string]io.Reader{"none": nil, "kept": strings.NewReader("x"), "blind": io.MultiReader(strings.NewReader("x"))} {
			seen = nil
			_, err := o.send(ctx, "/a", body)
			require.Error(o, err)
			synctest.Wait()
			mu.Lock()
			require.Equal(o, []string{"get server:80", "got client -> server:80", "headers", "request"}, seen, name)
			mu.Unlock()
			if body != nil {
				left, err := io.ReadAll(body)
				require.NoError(o, err)
				require.Empty(o, left, "the body was written")
			}
		}
	})
}
