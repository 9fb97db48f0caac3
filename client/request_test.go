package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// What each method sends, as the API has it.
func TestRequestsOnTheWire(t *testing.T) {
	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.RequestURI() + " " + string(body)
		if rev := r.Header.Get("If-Match"); rev != "" {
			sent += " If-Match " + rev
		}
		_, _ = io.WriteString(w, `{"id":"7","ids":["8"],"result":{}}`)
	}))
	t.Cleanup(server.Close)
	c := newClient(t, server.URL)
	b, a, db := c.Backups(), c.Cluster(), c.Database("d b")
	remote := client.Remote{Path: "s3:b/p", Config: client.RemoteConfig{"s3": {"type": "s3"}}}
	where := `"remoteRepository":"s3:b/p","config":{"s3":{"type":"s3"}}`
	for want, do := range map[string]func(context.Context) error{
		`POST /_admin/backup/create {"allowInconsistent":false,"force":false}`: func(ctx context.Context) error {
			_, err := b.Create(ctx, client.CreateRequest{})
			return err
		},
		`POST /_admin/backup/create {"label":"x","timeout":2.5,"deadline":60,"allowInconsistent":true,"force":true,"lockWait":0.5,"lockGrowth":1.1}`: func(ctx context.Context) error {
			_, err := b.Create(ctx, client.CreateRequest{Label: "x", Timeout: 2500 * time.Millisecond, Deadline: time.Minute, AllowInconsistent: true, Force: true,
				LockWait: client.DefaultLockWait, LockGrowth: client.DefaultLockGrowth})
			return err
		},
		`POST /_admin/backup/restore {"id":"x","ignoreVersion":true,"timeout":1,"deadline":2}`: func(ctx context.Context) error {
			_, err := b.Restore(ctx, client.RestoreRequest{ID: "x", IgnoreVersion: true, Timeout: time.Second, Deadline: 2 * time.Second})
			return err
		},
		`POST /_admin/backup/delete {"id":"x"}`: func(ctx context.Context) error { _, err := b.Delete(ctx, "x"); return err },
		`POST /_admin/backup/verify {"id":"x"}`: func(ctx context.Context) error { _, err := b.Verify(ctx, "x"); return err },
		`POST /_admin/backup/show {"id":"x"}`:   func(ctx context.Context) error { _, err := b.Show(ctx, "x"); return err },
		`POST /_admin/backup/agency-lock `:      func(ctx context.Context) error { _, err := b.Lock(ctx); return err },
		`POST /_admin/backup/agency-lock {"break":{"value":"v","nonce":"n"}}`: func(ctx context.Context) error {
			return b.BreakLock(ctx, client.HeldLock{Value: "v", Nonce: "n"})
		},
		`POST /_admin/backup/list `:                                func(ctx context.Context) error { _, err := b.List(ctx); return err },
		`POST /_admin/backup/list {"id":["x","y"]}`:                func(ctx context.Context) error { _, err := b.List(ctx, "x", "y"); return err },
		`POST /_admin/backup/transfers `:                           func(ctx context.Context) error { _, err := b.Transfers(ctx); return err },
		`POST /_admin/backup/upload {"uploadId":"7"}`:              func(ctx context.Context) error { _, err := b.TransferStatus(ctx, "7"); return err },
		`POST /_admin/backup/upload {"uploadId":"7","abort":true}`: func(ctx context.Context) error { return b.AbortTransfer(ctx, "7") },
		`POST /_admin/backup/download {"id":"x",` + where + `,"transfers":2,"bytesPerSecond":9}`: func(ctx context.Context) error {
			_, err := b.Transfer(ctx, client.Download, client.TransferRequest{ID: "x", Remote: remote, Transfers: 2, BytesPerSecond: 9})
			return err
		},
		`POST /_admin/backup/remote {"operation":"prune",` + where + `}`: func(ctx context.Context) error {
			_, err := b.Remote(ctx, client.RemoteRequest{Operation: client.RemotePrune, Remote: remote})
			return err
		},
		`POST /_admin/cluster/moveShard {"database":"d","collection":"1","shard":"s1","fromServer":"A","toServer":"B","remainsFollower":true}`: func(ctx context.Context) error {
			_, err := a.MoveShard(ctx, client.MoveShard{Database: "d", Collection: "1", Shard: "s1", FromServer: "A", ToServer: "B", RemainsFollower: true})
			return err
		},
		`POST /_admin/cluster/cleanOutServer {"server":"A"}`:                    func(ctx context.Context) error { _, err := a.CleanOut(ctx, "A"); return err },
		`POST /_admin/cluster/resignLeadership {"server":"A","undoMoves":true}`: func(ctx context.Context) error { _, err := a.Resign(ctx, "A", true); return err },
		`POST /_admin/cluster/removeServer "A"`:                                 func(ctx context.Context) error { return a.RemoveServer(ctx, "A") },
		`POST /_admin/cluster/cancelAgencyJob {"id":"7"}`:                       func(ctx context.Context) error { return a.CancelJob(ctx, "7") },
		`POST /_admin/cluster/rebalanceShards {}`:                               func(ctx context.Context) error { _, err := a.Rebalance(ctx); return err },
		`PUT /_admin/cluster/maintenance "on"`:                                  func(ctx context.Context) error { _, err := a.PauseSupervision(ctx, 0); return err },
		`PUT /_admin/cluster/maintenance 20`:                                    func(ctx context.Context) error { _, err := a.PauseSupervision(ctx, 20*time.Second); return err },
		`PUT /_admin/cluster/maintenance "off"`:                                 func(ctx context.Context) error { _, err := a.ResumeSupervision(ctx); return err },
		`PUT /_admin/cluster/maintenance/A {"mode":"maintenance","timeout":20}`: func(ctx context.Context) error { return a.PauseServer(ctx, "A", 20*time.Second) },
		`PUT /_admin/cluster/maintenance/A {"mode":"maintenance"}`:              func(ctx context.Context) error { return a.PauseServer(ctx, "A", 0) },
		`PUT /_admin/cluster/maintenance/A {"mode":"normal"}`:                   func(ctx context.Context) error { return a.ResumeServer(ctx, "A") },
		`DELETE /_db/d%20b/_api/document/c/k%2F  If-Match r1`: func(ctx context.Context) error {
			return db.Remove(ctx, client.Ref{Collection: "c", Key: "k/", Rev: "r1"})
		},
		`PATCH /_db/d%20b/_api/document/c/k {"a":1}`: func(ctx context.Context) error {
			_, err := db.Update(ctx, client.Ref{Collection: "c", Key: "k"}, map[string]int{"a": 1})
			return err
		},
		`POST /_db/d%20b/_api/collection {"name":"c","numberOfShards":3,"writeConcern":2}`: func(ctx context.Context) error {
			return db.CreateCollectionAs(ctx, "c", client.Layout{Shards: 3, WriteConcern: 2})
		},
		`POST /_api/database {"name":"x"}`: func(ctx context.Context) error { return c.CreateDatabase(ctx, "x") },
		`DELETE /_api/database/x `:         func(ctx context.Context) error { return c.DropDatabase(ctx, "x") },
		`GET /_stasis/jobs?id=7 `:          func(ctx context.Context) error { _, err := c.Jobs(ctx, "7"); return err },
		`GET /_stasis/shards?checksum=true `: func(ctx context.Context) error {
			_, err := c.Shards(ctx, client.ShardsQuery{Checksum: true})
			return err
		},
		`GET /_stasis/shards `: func(ctx context.Context) error { _, err := c.Shards(ctx, client.ShardsQuery{}); return err },
		`GET /_stasis/events?follow=false&last=3 `: func(ctx context.Context) error {
			return c.Decisions(ctx, client.Follow{Last: 3}, func(client.Decision) error { return nil })
		},
		`GET /_stasis/events?follow=true `: func(ctx context.Context) error {
			return c.Decisions(ctx, client.Follow{Last: -1, New: true}, func(client.Decision) error { return nil })
		},
	} {
		sent = ""
		require.NoError(t, do(t.Context()), want)
		require.Equal(t, want, sent)
	}
}

// A configuration with credentials is sent, and printed nowhere.
func TestRemoteConfigIsNotShown(t *testing.T) {
	config, err := client.ParseRemoteConfig([]byte(`{"r":{"type":"s3","secret":"s3cret","port":9000,"force":true,"unset":null}}`))
	require.NoError(t, err)
	require.Equal(t, client.RemoteConfig{"r": {"type": "s3", "secret": "s3cret", "port": "9000", "force": "true", "unset": ""}}, config)
	for _, printed := range []string{fmt.Sprint(config), fmt.Sprintf("%v %+v %#v", config, config, config)} {
		require.NotContains(t, printed, "s3cret")
	}
	for _, bad := range []string{`[]`, `{"r":"s3cret"}`, `{"r":{"a":["s3cret"]}}`, `{"r":{"a":{}}}`, `s3cret`} {
		_, err := client.ParseRemoteConfig([]byte(bad))
		require.ErrorIs(t, err, client.ErrRemoteConfig, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
	for _, none := range []string{"", "null", "{}"} {
		config, err := client.ParseRemoteConfig([]byte(none))
		require.NoError(t, err, none)
		require.Empty(t, config)
	}
}

// The JSON of our own is camelCase; names of ArangoDB's stay as they are.
func TestResultsAreCamelCase(t *testing.T) {
	for _, v := range []any{
		client.CreateResult{}, client.RestoreResult{}, client.DeleteResult{}, client.ListResult{}, client.ListedBackup{}, client.VerifyResult{}, client.PieceReport{},
		client.RemoteResult{}, client.RemoteBackup{}, client.Status{}, client.Server{}, client.Agent{}, client.Lock{}, client.Shard{}, client.Replica{},
		client.Job{}, client.Decision{}, client.Move{}, client.MoveShard{}, client.Certificate{}, client.LockReport{},
	} {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(raw, &fields))
		for name := range fields {
			require.Regexp(t, `^[a-z][A-Za-z0-9]*$`, name, "%T", v)
		}
	}
}

// The deadline of a call is told to the coordinator, if the call changes something: what a backup holds up is refused before
// that. Other calls, and those without a deadline, say nothing.
func TestDeadlineOnTheWire(t *testing.T) {
	var told []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = r.Header.Values("X-Arango-Queue-Time-Seconds")
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(server.Close)
	db := newClient(t, server.URL).Database("")
	require.NoError(t, db.Put(t.Context(), "c", map[string]any{"_key": "k"}))
	require.Empty(t, told)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.NoError(t, db.Put(ctx, "c", map[string]any{"_key": "k"}))
	require.Len(t, told, 1)
	s, err := strconv.ParseFloat(told[0], 64)
	require.NoError(t, err)
	require.InDelta(t, 3600, s, 600)
	require.NoError(t, newClient(t, server.URL).Available(ctx))
	require.Empty(t, told, "it changes nothing")
}
