package coordinator

import (
	"context"
	"net/http"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/api/admin"
	"stasis/coordinator/api/cursors"
	"stasis/coordinator/api/ddl"
	"stasis/coordinator/api/documents"
	"stasis/coordinator/api/server"
	"stasis/coordinator/api/status"
	"stasis/coordinator/api/steps"
	"stasis/coordinator/api/transactions"
	"stasis/coordinator/backup"
	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/route"
	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/datadir"
	"stasis/internal/network"
	"stasis/internal/rest"
)

// self is what the parts of a coordinator know about it.
type self struct {
	id         string
	addr       func() string // advertised host:port
	dir        *datadir.Dir  // nil without a directory
	life       *life
	registered func() uint64 // the reboot id with which it registered, 0 before
}

// parts are what a coordinator consists of.
type parts struct {
	client  *http.Client // to agents and DB servers
	agency  *agencyclient.Client
	cache   *agencyclient.Cache
	catalog *catalog.Catalog
	cursors *cursor.Store
	backups *backup.Service
	txns    *transaction.Manager
	api     http.Handler
}

// newParts makes the parts. Nothing runs yet.
func newParts(c Config, me self) (*parts, error) {
	p := &parts{client: network.NewHTTPClient(c.Network), cursors: cursor.NewStore(c.Limits.CursorBytes)}
	follow := agencyclient.Options{Endpoints: c.Agency, Logger: c.Logger.Named("agency"), HTTP: p.client, Wall: c.Wall}
	if me.dir != nil {
		var err error
		if follow.Origin, follow.Remember, err = agencyclient.Remembered(me.dir); err != nil {
			return nil, err
		}
	}
	p.agency = agencyclient.New(follow)
	p.cache = agencyclient.NewCache(p.agency, c.Logger.Named("cache"))
	// The supervision raises the reboot id when it gives a coordinator up.
	reboot := func() uint64 { return max(me.registered(), p.catalog.Cached().Known(me.id).RebootID) }
	p.catalog = catalog.New(catalog.Options{
		Agency: p.agency, Cache: p.cache, ID: me.id, RebootID: reboot, Logger: c.Logger.Named("catalog"),
		Reserve:   func(ctx context.Context, n uint64) (uint64, error) { return agencyclient.ReserveIDs(ctx, p.agency, n) },
		MaxShards: c.Limits.Shards, ReportWait: c.Timing.DDL, SyncWait: c.Timing.Sync, ThawWait: c.Timing.Thaw, AgencyTimeout: c.Timing.Agency, Wall: c.Wall,
	})
	servers := dbclient.New(p.client)
	log := steps.NewLog(c.Limits.StepEvents)
	p.backups = backup.New(backup.Options{
		Agency: p.agency, Cache: p.cache, Servers: servers, Movers: servers, Peers: backup.StatusPeers{HTTP: p.client}, ID: me.id, RebootID: reboot,
		Steps: event.From(me.id, event.Tee(log.Add, c.Steps)), Logger: c.Logger.Named("backup"), Wall: c.Wall, SigningKey: c.SigningKey,
	})
	p.txns = transaction.New(transaction.Options{
		Servers: servers, Parts: servers.Transactions(), Catalog: p.catalog, ID: me.id, Logger: c.Logger.Named("transactions"),
		Limits: transaction.Limits{Open: c.Limits.Transactions, MaxBytes: c.Limits.TransactionBytes},
		Timing: transaction.Timing{Idle: c.Timing.TransactionIdle, Request: c.Timing.Request},
	})
	p.api = newAPI(c, me, p, servers, log)
	return p, nil
}

// newAPI returns the public API.
func newAPI(c Config, me self, p *parts, servers *dbclient.Client, log *steps.Log) http.Handler {
	logger := c.Logger.Named("api")
	router := &route.Router{Servers: servers, Catalog: p.catalog, Attempt: c.Timing.Request, Retry: c.Timing.NoLeader, AtOnce: c.Limits.DocumentsAtOnce}
	txns := &transactions.API{ID: me.id, Catalog: p.catalog, Transactions: p.txns, HTTP: p.client}
	options := rest.Options{
		BodyBytes: c.Limits.BodyBytes, Admit: me.life.Admit, Logger: logger, Join: txns.Join,
		Database: func(ctx context.Context, name string) error {
			_, err := p.catalog.Database(ctx, name)
			return err
		},
	}
	return patient(newMux(options, p.backups.Handler(),
		&server.API{ID: me.id, Addr: me.addr, Started: time.Now(), Wall: c.Wall, Phase: me.life, Limits: c.HTTP, Catalog: p.catalog, Cursors: p.cursors, Counted: []server.Metrics{p.backups, p.txns}},
		&ddl.Databases{Catalog: p.catalog},
		&ddl.Collections{Catalog: p.catalog, Router: router},
		&ddl.Indexes{Catalog: p.catalog},
		&ddl.Inventory{Catalog: p.catalog},
		&documents.API{Catalog: p.catalog, Router: router, AnswerBytes: c.Limits.AnswerBytes},
		&documents.Imports{Catalog: p.catalog, Router: router, LineBytes: c.Limits.LineBytes},
		&cursors.API{Catalog: p.catalog, Router: router, Store: p.cursors, Join: p.txns.Join, TTL: c.Timing.CursorTTL},
		txns,
		&status.API{
			ID: me.id, Agency: p.agency, Catalog: p.catalog, Replicas: servers, HTTP: p.client, Ended: me.life.ended, Logger: c.Logger.Named("status"), Wall: c.Wall,
		},
		&steps.API{Log: log, Ended: me.life.ended},
		&admin.API{ID: me.id, Agency: p.agency, Catalog: p.catalog, Logger: c.Logger.Named("admin"), Timeouts: c.Admin.WithDefaults(), Wall: c.Wall},
	))
}
