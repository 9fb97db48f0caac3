package api

import (
	"context"
	"net/http"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/network"
	"stasis/internal/wall"
)

// Config says which server answers, and with what.
type Config struct {
	ID           string
	Access       *store.Access
	Snapshot     func() agencyclient.Snapshot // of the agency's tree, as the cache has it
	Gate         *gate.Gate
	Transactions *transaction.Ledger
	Reader       *pieces.Reader
	MaxBodyBytes int64 // of one request with documents; 256 MiB
	Limits       network.Limits
	Status       func() Status
	Steps        event.Sink // receives what becomes of the gate
	Logger       hclog.Logger
	Wall         wall.Clock
}

// Handler answers the requests of a DB server.
type Handler struct {
	admission *admission
	writes    *sessions
	routes    http.Handler
	log       hclog.Logger
}

// New makes a Handler. It refuses what needs pieces until Open.
func New(c Config) *Handler {
	if c.MaxBodyBytes <= 0 {
		c.MaxBodyBytes = maxDocumentsBody
	}
	h := &Handler{admission: &admission{id: c.ID, access: c.Access, latest: c.Snapshot}, log: c.Logger}
	h.writes = newSessions()
	h.routes = routes(c, h.admission, h.writes)
	return h
}

// Open has the Handler answer requests on pieces.
func (h *Handler) Open(b *Backups) { h.admission.backups.Store(b) }

// ServeHTTP answers a request. A panic of one request is answered as an internal error, so
// that it stays that request's.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "ArangoDB")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			apierror.Write(w, apierror.New(apierror.Internal, "internal error: %v", p))
		}
	}()
	h.routes.ServeHTTP(w, r)
}

// Refuse answers a request that the server has no memory for. It takes note of a write all the same: its client may send
// it again under another number, and then a copy of this request must not be done.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, why error) {
	refused := func(w http.ResponseWriter, _ *http.Request) { apierror.Write(w, why) }
	if failpoint.Off("refused-write-is-noted") {
		refused(w, r)
		return
	}
	h.writes.once(refused)(w, r)
}

// routes are the paths that this server answers.
func routes(c Config, a *admission, writes *sessions) http.Handler {
	mux := http.NewServeMux()
	post := func(path string, h http.HandlerFunc) { mux.Handle(path, only(http.MethodPost, h)) }

	docs := Documents{ID: c.ID, Gate: c.Gate, Transactions: c.Transactions}
	post(dbclient.PathSession, func(w http.ResponseWriter, r *http.Request) {
		reply(r.Context(), w, dbclient.SessionResponse{Session: writes.open()}, nil)
	})
	post(dbclient.PathDocs, writes.once(onData(a, c.MaxBodyBytes, docs.apply)))
	post(dbclient.PathScan, onData(a, maxCommandBody, docs.scan))
	post(dbclient.PathCount, onData(a, maxCommandBody, docs.count))
	post(dbclient.PathTruncate, writes.once(onData(a, maxCommandBody, docs.truncate)))
	post(dbclient.PathChecksum, onData(a, maxCommandBody, docs.checksum))

	post(dbclient.PathPromise, onData(a, maxCommandBody, promise))
	post(dbclient.PathAccept, onData(a, maxDocumentsBody, accept))
	post(dbclient.PathCopy, onData(a, maxDocumentsBody, copyPart))
	post(dbclient.PathLog, onData(a, maxCommandBody, readLog))

	x := transactions{ledger: c.Transactions, reader: c.Reader}
	post(dbclient.PathTxnOpen, onData(a, maxCommandBody, x.open))
	post(dbclient.PathTxnKeep, onData(a, maxCommandBody, x.keep))
	post(dbclient.PathTxnEnter, writes.once(onData(a, maxCommandBody, x.enter)))
	post(dbclient.PathTxnLeave, onData(a, maxCommandBody, x.leave))
	post(dbclient.PathTxnEnd, onData(a, maxCommandBody, x.end))
	post(dbclient.PathTxnAbort, onData(a, maxCommandBody, x.abort))
	post(dbclient.PathTxnPrepare, writes.once(onData(a, maxCommandBody, x.prepare)))
	post(dbclient.PathTxnDecide, writes.once(onData(a, maxCommandBody, x.decide)))
	post(dbclient.PathTxnResolve, writes.once(onData(a, maxCommandBody, x.resolve)))
	post(dbclient.PathTxnAsk, onData(a, maxCommandBody, x.ask))
	post(dbclient.PathTxnForget, onData(a, maxCommandBody, x.forget))

	gates := gates{admission: a, gate: c.Gate, reader: c.Reader, events: &gateEvents{server: c.ID, sink: c.Steps, open: map[*gateLock]bool{}}}
	post(dbclient.PathGateLock, gates.lock)
	post(dbclient.PathPrepare, onEngine(a, (*Backups).prepare, long))
	post(dbclient.PathCut, onEngine(a, (*Backups).cut))
	post(dbclient.PathLink, onEngine(a, (*Backups).link, long))
	post(dbclient.PathSeal, onPieces(a, (*Backups).seal))
	post(dbclient.PathPublish, onPieces(a, (*Backups).publish))
	post(dbclient.PathDelete, onPieces(a, (*Backups).delete))
	post(dbclient.PathVerify, onPieces(a, (*Backups).verify, long))
	post(dbclient.PathStage, onPieces(a, (*Backups).stage, long))
	post(dbclient.PathGateRelease, always(a, func(_ *Backups, ctx context.Context, q dbclient.GateReleaseRequest) (dbclient.GateReleaseResponse, error) {
		return gates.release(ctx, q), nil
	}))
	post(dbclient.PathDrop, always(a, (*Backups).drop))
	post(dbclient.PathList, always(a, (*Backups).list))
	post(dbclient.PathUnstage, always(a, (*Backups).unstage))
	post(dbclient.PathTransfer, always(a, (*Backups).transfer))
	post(dbclient.PathRemote, always(a, (*Backups).remote))

	publicRoutes(mux, public{id: c.ID, access: a.access, limits: c.Limits, status: c.Status, wall: c.Wall})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		apierror.Write(w, apierror.New(apierror.NotFound, "unknown path '%s'", r.URL.Path))
	})
	return mux
}
