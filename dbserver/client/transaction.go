package client

import (
	"context"
	"strconv"
)

// Paths of transactions. A *part* is what one DB server has of a transaction: locks, and writes that are in no engine yet.
const (
	PathTxnOpen    = PathPrefix + "/transactions/open"          // TxnOpenRequest → TxnOpenResponse
	PathTxnKeep    = PathPrefix + "/transactions/keep"          // TxnKeepRequest → TxnKeepResponse
	PathTxnEnter   = PathPrefix + "/transactions/enter"         // TxnEnterRequest → {}; 7906 at once if the gate is closed, unless Wait
	PathTxnLeave   = PathPrefix + "/transactions/leave"         // TxnPart → {}
	PathTxnEnd     = PathPrefix + "/transactions/end"           // TxnEndRequest → {}
	PathTxnAbort   = PathPrefix + "/transactions/abort-open"    // TxnAbortRequest → TxnAbortResponse
	PathTxnForget  = PathPrefix + "/transactions/forget"        // TxnForgetRequest → {}
	PathTxnPrepare = PathPrefix + "/shards/{shard}/txn/prepare" // TxnPrepareRequest → {}; with WriteHeader
	PathTxnDecide  = PathPrefix + "/shards/{shard}/txn/decide"  // TxnDecideRequest → {}; with WriteHeader
	PathTxnResolve = PathPrefix + "/shards/{shard}/txn/resolve" // TxnResolveRequest → {}; with WriteHeader
	PathTxnAsk     = PathPrefix + "/shards/{shard}/txn/ask"     // TxnAskRequest → TxnAskResponse
)

// TxnID names a transaction in the whole cluster. Its text is decimal.
type TxnID uint64

func (id TxnID) String() string { return strconv.FormatUint(uint64(id), 10) }

// TxnPart names the part that a server has of a transaction. Token is that of TxnOpenResponse: a server that has started
// again, or has ended the part, does not know it, and answers TxnGone.
type TxnPart struct {
	ID    TxnID  `json:"id"`
	Token string `json:"token"`
}

// TxnOpenRequest makes a part, which holds and has nothing yet. Repeating it gives the same part.
type TxnOpenRequest struct {
	ID          TxnID   `json:"id"`
	Coordinator string  `json:"coordinator"`         // that began it: for reports
	Age         float64 `json:"age"`                 // seconds since it began
	LockTimeout float64 `json:"lockTimeout"`         // seconds, of each wait for a lock; 0: none at all
	MaxBytes    int64   `json:"maxBytes"`            // of what it writes; more is ResourceLimit
	Elsewhere   bool    `json:"elsewhere,omitempty"` // it is inside the gate of another server as open
}

// TxnOpenResponse has the part's token.
type TxnOpenResponse struct {
	Token string `json:"token"`
}

// TxnKeepRequest says that transactions live. A part of which no coordinator says so for the server's limit (30 s), and
// which is not prepared, is ended.
type TxnKeepRequest struct {
	Parts []TxnPart `json:"parts"`
}

// TxnKeepResponse has those that are gone, and why.
type TxnKeepResponse struct {
	Gone map[TxnID]string `json:"gone,omitempty"`
}

// TxnEnterRequest passes the server's gate as committing. With Wait it waits as long as the request's patience
// lets it, passes, and leaves at once: then the gate was open a moment ago.
type TxnEnterRequest struct {
	TxnPart
	Wait bool `json:"wait,omitempty"`
}

// TxnEndRequest ends a part. Commit is for a part that has written nothing: it is an error (TxnGone) if the part has been lost,
// since its locks may have been somebody else's in between. Otherwise everything is dropped, and what is prepared is
// resolved as aborted; a part that is not known is no error then.
type TxnEndRequest struct {
	TxnPart
	Commit bool   `json:"commit,omitempty"`
	Reason string `json:"reason,omitempty"` // told to whoever asks for the part later
}

// TxnAbortRequest has a server abort the parts that hold its gate as open and are not prepared: a backup with force asks for it.
type TxnAbortRequest struct {
	Backup string `json:"backup"` // its id, for those whose transactions end
	Nonce  string `json:"nonce"`  // of the agency lock
}

// TxnAborted is a transaction that was aborted.
type TxnAborted struct {
	ID          TxnID   `json:"id"`
	Coordinator string  `json:"coordinator"`
	Age         float64 `json:"age"` // seconds
}

// TxnAbortResponse has what was aborted.
type TxnAbortResponse struct {
	Aborted []TxnAborted `json:"aborted,omitempty"`
}

// TxnShard is a shard that has written for a transaction, with where Plan has it.
type TxnShard struct {
	Database   string `json:"database"`
	Collection string `json:"collection"` // id
	Shard      string `json:"shard"`
}

// TxnPrepareRequest makes what the transaction has written on the shard durable in the logs of all in-sync replicas, before
// anything of it is seen. From then on the shard cannot give the transaction up by itself: it has to ask Home.
type TxnPrepareRequest struct {
	TxnPart
	Home TxnShard `json:"home"`
}

// TxnDecideRequest applies what the transaction has written on the shard (the transaction's home), and records, in the same
// log entry, that the transaction is committed. It is the commit point. Others are the shards that have prepared it.
// With none it is the commit of a transaction on one shard.
type TxnDecideRequest struct {
	TxnPart
	Others      []TxnShard `json:"others,omitempty"`
	WaitForSync bool       `json:"waitForSync,omitempty"` // always, if there are others
}

// TxnResolveRequest tells a shard that has prepared a transaction what became of it. It is idempotent. It is answered when it
// is on the disks of all in-sync replicas; locks and gate are released before that.
type TxnResolveRequest struct {
	ID     TxnID `json:"id"`
	Commit bool  `json:"commit"`
}

// TxnAskRequest asks a home shard what became of a transaction. If it is not decided, and Abandon is set, it is aborted by
// the question: it cannot be decided any more.
type TxnAskRequest struct {
	ID      TxnID `json:"id"`
	Abandon bool  `json:"abandon,omitempty"`
}

// Outcomes of a transaction.
const (
	TxnCommitted = "committed"
	TxnAbortedAs = "aborted" // no decision is recorded and none can come
	TxnUndecided = "undecided"
)

// TxnAskResponse has the outcome.
type TxnAskResponse struct {
	Outcome string `json:"outcome"`
}

// TxnForgetRequest says of decisions that all their shards have them on disk.
type TxnForgetRequest struct {
	Decisions []TxnDecision `json:"decisions"`
}

// TxnDecision names a decision: it is on the home shard.
type TxnDecision struct {
	ID    TxnID  `json:"id"`
	Shard string `json:"shard"`
}

// Transactions are the calls of transactions. Its errors are those of [Client].
type Transactions struct{ c *Client }

// Transactions gives the calls of transactions, over c's connections and sessions.
func (c *Client) Transactions() Transactions { return Transactions{c: c} }

// Open makes a part of a transaction on a server.
func (x Transactions) Open(ctx context.Context, t Target, r TxnOpenRequest) (TxnOpenResponse, error) {
	return call[TxnOpenResponse](ctx, x.c, t, PathTxnOpen, r)
}

// Keep says that transactions live.
func (x Transactions) Keep(ctx context.Context, t Target, r TxnKeepRequest) (TxnKeepResponse, error) {
	return call[TxnKeepResponse](ctx, x.c, t, PathTxnKeep, r)
}

// Enter passes the server's gate as committing.
func (x Transactions) Enter(ctx context.Context, t Target, r TxnEnterRequest) error {
	_, err := write[struct{}](ctx, x.c, t, PathTxnEnter, r)
	return err
}

// Leave leaves the server's gate without having committed. It is harmless outside.
func (x Transactions) Leave(ctx context.Context, t Target, r TxnPart) error {
	return command(ctx, x.c, t, PathTxnLeave, r)
}

// End ends a part.
func (x Transactions) End(ctx context.Context, t Target, r TxnEndRequest) error {
	return command(ctx, x.c, t, PathTxnEnd, r)
}

// AbortOpen aborts what holds the server's gate as open.
func (x Transactions) AbortOpen(ctx context.Context, t Target, r TxnAbortRequest) (TxnAbortResponse, error) {
	return x.c.AbortOpen(ctx, t, r)
}

// AbortOpen is that of [Transactions], for backups.
func (c *Client) AbortOpen(ctx context.Context, t Target, r TxnAbortRequest) (TxnAbortResponse, error) {
	return call[TxnAbortResponse](ctx, c, t, PathTxnAbort, r)
}

// Forget drops decisions.
func (x Transactions) Forget(ctx context.Context, t Target, r TxnForgetRequest) error {
	return command(ctx, x.c, t, PathTxnForget, r)
}

// Prepare makes a shard's writes ready to be committed.
func (x Transactions) Prepare(ctx context.Context, t Target, shard string, r TxnPrepareRequest) error {
	_, err := write[struct{}](ctx, x.c, t, onShard(PathTxnPrepare, shard), r)
	return err
}

// Decide commits a transaction.
func (x Transactions) Decide(ctx context.Context, t Target, shard string, r TxnDecideRequest) error {
	_, err := write[struct{}](ctx, x.c, t, onShard(PathTxnDecide, shard), r)
	return err
}

// Resolve ends a prepared transaction on a shard.
func (x Transactions) Resolve(ctx context.Context, t Target, shard string, r TxnResolveRequest) error {
	_, err := write[struct{}](ctx, x.c, t, onShard(PathTxnResolve, shard), r)
	return err
}

// Ask asks a home shard what became of a transaction.
func (x Transactions) Ask(ctx context.Context, t Target, shard string, r TxnAskRequest) (TxnAskResponse, error) {
	return call[TxnAskResponse](ctx, x.c, t, onShard(PathTxnAsk, shard), r)
}
