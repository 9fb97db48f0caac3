package transaction

import (
	"context"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// part is what a transaction has on one server. The transaction's mutex guards it.
type part struct {
	target    dbclient.Target
	opening   chan struct{} // holds an element while the server is asked for the part
	token     string        // "": the server has not been asked, or has not answered
	wrote     bool
	elsewhere bool // the server knows that the transaction has written on another one
	ended     bool // it has only read, and a commit has ended it
}

// touch finds the part for a request to a shard, and opens it if there is none. What cannot belong to the transaction any more
// aborts it.
func (t *Transaction) touch(ctx context.Context, to dbclient.Target, at dbclient.TxnShard, write bool) (dbclient.TxnPart, error) {
	if to.Epoch != t.epoch {
		return dbclient.TxnPart{}, t.lose(ctx, "the cluster was restored meanwhile")
	}
	p, moved := t.partOn(to, at)
	if moved != "" && !failpoint.Off("no-other-leader-in-a-transaction") {
		return dbclient.TxnPart{}, t.lose(ctx, moved)
	}
	select {
	case p.opening <- struct{}{}:
	case <-ctx.Done():
		return dbclient.TxnPart{}, t.gone(unsent("open the transaction there", apierror.New(apierror.ConnectionLost, "%w", context.Cause(ctx))))
	}
	defer func() { <-p.opening }()
	token, elsewhere := t.known(p, write)
	if token != "" {
		return dbclient.TxnPart{ID: t.id, Token: token}, nil
	}
	answer, err := t.m.o.Parts.Open(ctx, to, dbclient.TxnOpenRequest{
		ID: t.id, Coordinator: t.m.o.ID, Age: t.age().Seconds(), LockTimeout: t.spec.lockTimeout.Seconds(), MaxBytes: t.spec.maxBytes, Elsewhere: elsewhere,
	})
	if err != nil {
		return dbclient.TxnPart{}, t.notOpened(ctx, err)
	}
	t.mu.Lock()
	was := p.token
	if p.token == "" {
		p.token = answer.Token
	}
	p.elsewhere = elsewhere
	t.mu.Unlock()
	if was != "" && was != answer.Token {
		return dbclient.TxnPart{}, t.lose(ctx, "DB server "+to.URL+" has lost its part")
	}
	return dbclient.TxnPart{ID: t.id, Token: answer.Token}, nil
}

// notOpened is the error of an operation whose server does not open a part.
func (t *Transaction) notOpened(ctx context.Context, err error) error {
	if isGone(err) {
		return t.lose(ctx, err.Error())
	}
	return t.gone(unsent("open the transaction there", err))
}

// partOn returns the part on a server. moved says that what the transaction has on the shard is elsewhere, or why.
func (t *Transaction) partOn(to dbclient.Target, at dbclient.TxnShard) (p *part, moved string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.shards[at.Shard]; s != nil && s.url != to.URL {
		moved = "shard " + at.Shard + " has another leader now: " + to.URL + " in place of " + s.url
	}
	if p = t.parts[to.URL]; p == nil {
		p = &part{target: to, opening: make(chan struct{}, 1)}
		t.parts[to.URL] = p
	}
	return p, moved
}

// known returns the token of a part, "" if the server is to be asked: for the first time, or because it should know before the
// first write there that the transaction holds the gate of another server.
func (t *Transaction) known(p *part, write bool) (token string, elsewhere bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.parts {
		elsewhere = elsewhere || other != p && other.wrote
	}
	if p.token == "" || write && !p.wrote && elsewhere && !p.elsewhere {
		return "", elsewhere
	}
	return p.token, elsewhere
}

// touched notes that a request to a shard was answered.
func (t *Transaction) touched(to dbclient.Target, at dbclient.TxnShard, wrote bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.shards[at.Shard]
	if s == nil {
		s = &shard{at: at, url: to.URL}
		t.shards[at.Shard] = s
	}
	if wrote && !s.wrote {
		s.wrote = true
		t.wrote = append(t.wrote, at.Shard)
		t.parts[to.URL].wrote = true
	}
}

// has says whether the transaction has something on a shard.
func (t *Transaction) has(at dbclient.TxnShard) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shards[at.Shard] != nil
}
