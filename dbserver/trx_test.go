package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// spot is a shard, and the server that leads it when the test begins.
type spot struct {
	h          *house
	server     string // by which the house knows it
	cid, shard string
}

// to is where the leader is, and the epoch of its data.
func (p spot) to() dbclient.Target {
	if p.h.fixed {
		return dbclient.Target{URL: "http://" + p.server + ":1"}
	}
	return p.h.target(p.at())
}

func (p spot) wire() dbclient.TxnShard {
	return dbclient.TxnShard{Database: "_system", Collection: p.cid, Shard: p.shard}
}

// at is the server that leads the shard now, as Plan has it.
func (p spot) at() *Server {
	p.h.t.Helper()
	var s *Server
	p.h.await("the leader of "+p.shard+" is up", func() bool {
		s = p.h.leaderOf(p.cid, p.shard)
		return s != nil && p.h.knows(s.ID(), p.shard)
	})
	return s
}

func (h *house) leaderOf(cid, name string) *Server {
	r := h.plannedServers(cid, name)
	for _, s := range h.up {
		if len(r) > 0 && s.ID() == r[0] {
			return s
		}
	}
	return nil
}

// read is a document as anyone reads it: its attribute v, 0 if there is none.
func (p spot) read(key string) int {
	p.h.t.Helper()
	var v int
	p.h.await("a leader answers for "+p.shard, func() bool {
		r, err := p.h.dbs.Documents(p.h.t.Context(), p.h.target(p.at()), p.shard, dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: key}}})
		if err != nil {
			return false
		}
		v = valueOf(p.h.t, r.Results[0])
		return true
	})
	return v
}

func valueOf(t testing.TB, r dbclient.OpResult) int {
	t.Helper()
	if r.Error != nil {
		require.ErrorIs(t, r.Error, apierror.DocumentNotFound)
		return 0
	}
	var doc struct {
		V int `json:"v"`
	}
	require.NoError(t, json.Unmarshal(r.New, &doc))
	return doc.V
}

// trx is a transaction, as a coordinator leads it that is a test.
type trx struct {
	h     *house
	id    dbclient.TxnID
	age   time.Time
	parts map[string]dbclient.TxnPart // by the URL of the server
}

func (h *house) begin() *trx {
	h.trxs++
	return &trx{h: h, id: dbclient.TxnID(h.trxs), age: time.Now(), parts: map[string]dbclient.TxnPart{}}
}

func (x *trx) calls() dbclient.Transactions { return x.h.dbs.Transactions() }

// on gives the part on a server, and makes it when it is asked for the first time.
func (x *trx) on(ctx context.Context, to dbclient.Target) (dbclient.TxnPart, error) {
	if p, ok := x.parts[to.URL]; ok {
		return p, nil
	}
	answer, err := x.calls().Open(ctx, to, dbclient.TxnOpenRequest{
		ID: x.id, Coordinator: "CRDN-1", Age: time.Since(x.age).Seconds(), LockTimeout: 1, MaxBytes: 1 << 20, Elsewhere: len(x.parts) > 0,
	})
	if err != nil {
		return dbclient.TxnPart{}, err
	}
	p := dbclient.TxnPart{ID: x.id, Token: answer.Token}
	x.parts[to.URL] = p
	return p, nil
}

func (x *trx) documents(ctx context.Context, at spot, ops ...dbclient.Op) ([]dbclient.OpResult, error) {
	to := at.to()
	p, err := x.on(ctx, to)
	if err != nil {
		return nil, err
	}
	r, err := x.h.dbs.Documents(ctx, to, at.shard, dbclient.DocumentsRequest{Collection: "c", Ops: ops, Transaction: &p})
	if err == nil {
		for _, result := range r.Results {
			if result.Error != nil && !errors.Is(result.Error, apierror.DocumentNotFound) {
				err = errors.Join(err, result.Error)
			}
		}
	}
	return r.Results, err
}

// put writes a document with the attribute v.
func (x *trx) put(at spot, key string, v int) error { return x.putWithin(x.h.t.Context(), at, key, v) }

func (x *trx) putWithin(ctx context.Context, at spot, key string, v int) error {
	_, err := x.documents(ctx, at, dbclient.Op{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: key, Document: fmt.Appendf(nil, `{"v":%d}`, v)})
	return err
}

func (x *trx) get(at spot, key string) (int, error) {
	r, err := x.documents(x.h.t.Context(), at, dbclient.Op{Kind: dbclient.OpRead, Key: key})
	if err != nil {
		return 0, err
	}
	return valueOf(x.h.t, r[0]), nil
}

func (x *trx) enter(ctx context.Context, at spot) error {
	to := at.to()
	return x.calls().Enter(ctx, to, dbclient.TxnEnterRequest{TxnPart: x.parts[to.URL]})
}

func (x *trx) prepare(ctx context.Context, at, home spot) error {
	to := at.to()
	return x.calls().Prepare(ctx, to, at.shard, dbclient.TxnPrepareRequest{TxnPart: x.parts[to.URL], Home: home.wire()})
}

func (x *trx) decide(ctx context.Context, home spot, others ...spot) error {
	to := home.to()
	r := dbclient.TxnDecideRequest{TxnPart: x.parts[to.URL]}
	for _, o := range others {
		r.Others = append(r.Others, o.wire())
	}
	return x.calls().Decide(ctx, to, home.shard, r)
}

func (x *trx) resolve(ctx context.Context, at spot, commit bool) error {
	return x.calls().Resolve(ctx, at.to(), at.shard, dbclient.TxnResolveRequest{ID: x.id, Commit: commit})
}

func (x *trx) ask(at spot, abandon bool) (string, error) {
	a, err := x.calls().Ask(x.h.t.Context(), at.to(), at.shard, dbclient.TxnAskRequest{ID: x.id, Abandon: abandon})
	return a.Outcome, err
}

func (x *trx) forget(home spot) error { return x.forgetWithin(x.h.t.Context(), home) }

func (x *trx) forgetWithin(ctx context.Context, home spot) error {
	return x.calls().Forget(ctx, home.to(), dbclient.TxnForgetRequest{Decisions: []dbclient.TxnDecision{{ID: x.id, Shard: home.shard}}})
}

func (x *trx) end(at spot, commit bool) error {
	to := at.to()
	return x.calls().End(x.h.t.Context(), to, dbclient.TxnEndRequest{TxnPart: x.parts[to.URL], Commit: commit, Reason: "the test ends it"})
}

// commit commits on two shards, step by step, and stops after a number of them.
func (x *trx) commit(home, other spot, steps int) error {
	ctx := x.h.t.Context()
	for i, step := range []func() error{
		func() error { return x.enter(ctx, home) },
		func() error { return x.enter(ctx, other) },
		func() error { return x.prepare(ctx, other, home) },
		func() error { return x.decide(ctx, home, other) },
		func() error { return x.resolve(ctx, other, true) },
		func() error { return x.forget(home) },
	} {
		if i == steps {
			return nil
		}
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// steps of commit, by what has happened when it stops.
const (
	nothing = iota
	enteredHome
	enteredBoth
	hasPrepared
	hasDecided
	hasResolved
	hasForgotten
)

// nothingIsHeld demands that in a while no server has anything of any transaction: no part, no lock, no place at the gate, nothing
// prepared, and no decision that the shards need.
func (h *house) nothingIsHeld(spots ...spot) {
	h.t.Helper()
	for _, p := range spots {
		h.await("nothing is left of a transaction on "+p.shard, func() bool {
			st := p.at().ledger.Status()
			return st.Open == 0 && st.Bound == 0 && st.Prepared == 0 && st.Inherited == 0 && st.Bytes == 0
		})
		for _, key := range []string{"a", "b"} {
			ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
			_, err := h.dbs.Documents(ctx, h.target(p.at()), p.shard, dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{
				{Kind: dbclient.OpUpdate, Key: key, Document: json.RawMessage(`{"touched":true}`)},
			}})
			cancel()
			require.NoError(h.t, err, "a lock is left on %s", p.shard)
		}
	}
	h.gatesAreFree(spots...)
}

// gatesAreFree demands that each gate is granted at once in mode transactions.
func (h *house) gatesAreFree(spots ...spot) {
	h.t.Helper()
	nonce := fmt.Sprint("free-", h.trxs, "-", time.Now().UnixNano())
	h.lock("free", nonce)
	for _, p := range spots {
		letGo, err := h.hold(h.t.Context(), h.target(p.at()), dbclient.GateLockRequest{ID: "free", Nonce: nonce, WindowSeconds: 0.5, LeaseSeconds: 10})
		require.NoError(h.t, err, "the gate of %s", p.server)
		_ = letGo()
	}
	h.unlock(nonce, nil)
}

// twoShards are two servers with a shard each, and documents with v=1 under the key a.
func (h *house) twoShards() (home, other spot) {
	h.t.Helper()
	a, b := h.start("db1"), h.start("db2")
	h.collection("100", "s101", a)
	h.collection("200", "s201", b)
	home, other = spot{h, "db1", "100", "s101"}, spot{h, "db2", "200", "s201"}
	for _, p := range []spot{home, other} {
		h.insert(p.at(), p.shard, "a", `{"v":1}`)
	}
	return home, other
}

// onTwoShards is a transaction that has written v=2 under the key a on both of twoShards.
func (h *house) onTwoShards() (x *trx, home, other spot) {
	h.t.Helper()
	home, other = h.twoShards()
	x = h.begin()
	require.NoError(h.t, x.put(home, "a", 2))
	require.NoError(h.t, x.put(other, "a", 2))
	return x, home, other
}

// plannedServers are the servers of a shard in Plan, without marks.
func (h *house) plannedServers(cid, name string) (ids []string) {
	h.t.Helper()
	_ = h.read(keys.PlanCollection("_system", cid) + "/shards/" + name).Decode(&ids) // missing: none
	for i := range ids {
		ids[i] = strings.TrimPrefix(ids[i], keys.Resigned)
	}
	return ids
}

// onHome is a path on the shard of the first spot.
func onHome(path string) string { return strings.Replace(path, "{shard}", "s101", 1) }
