package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"stasis/agency/asyncjob"
	"stasis/agency/keys"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
)

// PeerBytes bounds the body of a request that counts as one between servers: heartbeats, leases,
// reports. The Plan of a restore is larger: it would fill the memory of servers.
const PeerBytes = 256 << 10

// ClassOf tells which memory a request takes. Requests of servers name the agency that they are
// meant for ([keys.OriginHeader]), and those of other clients do not. So what clients ask for
// costs no server its lease. This is no protection against clients that mean harm: they can name
// the agency, too.
func ClassOf(r *http.Request) budget.Class {
	if r.Header.Get(keys.OriginHeader) != "" && r.Header.Get(asyncjob.Header) == "" && r.ContentLength >= 0 && r.ContentLength <= PeerBytes && !failpoint.Off("servers-take-their-own") {
		return budget.Peer
	}
	return budget.Client
}

// planBytes is about how heavy the tree becomes by a Plan of this text, rather more.
func planBytes(raw []byte) int64 {
	const eachItem, eachLevel = 80, 160
	return int64(len(raw)) + eachItem*int64(bytes.Count(raw, []byte{','})) + eachLevel*int64(bytes.Count(raw, []byte{'/'}))
}

// bounds refuses requests that are too large.
type bounds struct {
	leader Leader
	tree   Tree
	quota  *quota.Quota
}

// admit decides by its text whether a request may be parsed. What is too large is refused here:
// nothing has been proposed, and no replica has seen it. Replicas have no such rule, so what
// earlier versions let in is applied as ever. What the parsing takes was taken from the budget
// with the body.
//
// One kind of request may be as large as a body can be: a single transaction by which the holder
// of the agency lock changes Plan. So a restore brings back the Plan of a large cluster at once;
// the quota of the tree bounds it. The holder shows the nonce of the lock, which must be right
// before anything is proposed: a large entry that then fails costs the same.
func (b bounds) admit(ctx context.Context, raw []byte) error {
	if len(raw) <= quota.MaxEnvelope {
		return nil
	}
	if _, err := b.leader.Serving(ctx); err != nil {
		return err // only the leader knows who holds the lock
	}
	item, ok := fsm.Only(raw)
	if !ok || !fsm.ByHolder(item, b.tree.State().Root()) {
		return tooLarge(int64(len(raw)))
	}
	if size := planBytes(raw); size > b.quota.Clients() {
		return apierror.New(apierror.ResourceLimit, "Plan would take about %d bytes, where the tree's quota is %d: %s",
			size, b.quota.Clients(), quota.Remedy).WithStatus(http.StatusRequestEntityTooLarge)
	}
	return nil
}

func tooLarge(bytes int64) error {
	return apierror.New(apierror.EntityTooLarge, "the request has %d bytes: %d are allowed, and more only for one transaction that changes Plan "+
		"and shows the nonce of the agency lock. Send it in smaller parts", bytes, quota.MaxEnvelope)
}

// fits refuses an envelope with a transaction that is too large, unless it is the lock holder's.
func (b bounds) fits(e envelope) error {
	for i, t := range e.transactions {
		if t.Size() > quota.MaxTransaction && !t.ByHolder(b.tree.State().Root()) {
			return apierror.New(apierror.EntityTooLarge, "transaction %d has %d bytes: %d are allowed. Send it in smaller parts", i, t.Size(), quota.MaxTransaction)
		}
	}
	return nil
}

// maxShown bounds in bytes what one answer shows of the tree if the writes of its request have
// been applied when it is made.
const maxShown = 16 << 20

// showsTooMuch refuses a request, before anything of it is proposed, if its answer would be too
// large.
func showsTooMuch(state *fsm.State, e envelope) error {
	var sum int64
	for _, el := range e.elements {
		if el.query != nil {
			sum = quota.Plus(sum, state.Read(el.query).Weight())
		} else if el.slot >= 0 {
			if paths := e.transactions[el.slot].Preconditions(); len(paths) > 0 {
				sum = quota.Plus(sum, state.Read(paths).Weight())
			}
		}
	}
	if sum <= maxShown {
		return nil
	}
	return apierror.New(apierror.EntityTooLarge, "the answer would show about %d bytes of the tree: %d are allowed. %s",
		sum, maxShown, fmt.Sprintf("Read large parts by %s/read", Prefix))
}
