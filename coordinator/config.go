package coordinator

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/coordinator/api/admin"
	"stasis/event"
	"stasis/internal/network"
	"stasis/internal/signingkey"
	"stasis/internal/wall"
)

// Config is what a coordinator needs to start. Agency and Listen are required.
type Config struct {
	Dir       string          // has the identity only; "" means a new id at each start
	FS        vfs.FS          // where Dir is; default vfs.Default
	Name      string          // by which commands find it; "": none
	PID       int             // of its process, told with Dir to who looks for it; 0: neither
	Listen    string          // host:port; port 0 lets the network choose
	Advertise string          // host:port that clients and other servers use; default: the address listened on
	Agency    []string        // URLs of the agents
	Network   network.Network // default network.TCP
	Browsers  network.Browsers
	HTTP      network.Limits // of what all requests together hold
	Logger    hclog.Logger   // default: none
	Steps     event.Sink     // receives the steps of backups and restores, which /_stasis/steps shows, too
	Limits    Limits
	Timing    Timing
	Wall      wall.Clock     // what is told and kept as a time, the ids of backups among it; default: the system's
	Admin     admin.Timeouts // of cluster administration

	SigningKey *signingkey.Key // with which backups are signed, the same for all coordinators; nil: none
}

// Limits bound what one client can make a coordinator hold in memory. Zero fields take their
// default.
type Limits struct {
	BodyBytes    int64 // a request body, except of an import, which streams; default 512 MiB
	LineBytes    int   // one line of an import; default 64 MiB
	AnswerBytes  int64 // of the answer to an array of documents; default 128 MiB
	Shards       int   // of one collection; default 1000
	CursorBytes  int64 // of all cursors together, cursor.BytesEach for one; default 64 MiB, or a sixteenth of HTTP.Budget if that is less
	Transactions int   // that are open at a time; default 10 000
	// TransactionBytes is the most that a client may ask one transaction to write; default 512 MiB. Of a client that does not ask
	// it is a quarter.
	TransactionBytes int64
	StepEvents       int // kept for /_stasis/steps; default 4096
	DocumentsAtOnce  int // sent to a DB server in one request; default 1000
}

// Timing has the durations of a coordinator. Zero fields take their default.
type Timing struct {
	Heartbeat       time.Duration // between heartbeats; default 1 s
	Start           time.Duration // of the wait for the agency at the start; default 60 s
	DDL             time.Duration // from the change of Plan until the DB servers have reported it; default 60 s
	Sync            time.Duration // for followers of a new collection to get in sync; after it the create is answered all the same; default 10 s
	Thaw            time.Duration // for which data definition waits for a backup or restore to end; default 60 s
	Agency          time.Duration // of one question to the agency on behalf of a client; default 10 s
	Request         time.Duration // of one request to a DB server; default 60 s
	NoLeader        time.Duration // for which a request looks for the leader of a shard; default 3 s
	CursorTTL       time.Duration // of a cursor whose client asks for none; default 30 s
	TransactionIdle time.Duration // without an operation, after which a stream transaction is aborted; default 60 s
	Shutdown        time.Duration // for requests to end at Close; default 10 s
	Header          time.Duration // for the head of a request to arrive; default 10 s
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Network == nil {
		c.Network = network.TCP()
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Limits = c.Limits.withDefaults()
	c.HTTP = c.HTTP.WithDefaults()
	orDefault(&c.Limits.CursorBytes, min(64<<20, c.HTTP.Budget.Size()/16))
	c.Timing = c.Timing.withDefaults()
	return c
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.BodyBytes, 512<<20)
	orDefault(&l.LineBytes, 64<<20)
	orDefault(&l.AnswerBytes, 128<<20)
	orDefault(&l.Shards, 1000)
	orDefault(&l.StepEvents, 4096)
	orDefault(&l.DocumentsAtOnce, 1000)
	return l
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.Heartbeat, time.Second)
	orDefault(&t.Start, time.Minute)
	orDefault(&t.DDL, time.Minute)
	orDefault(&t.Sync, 10*time.Second)
	orDefault(&t.Thaw, time.Minute)
	orDefault(&t.Agency, 10*time.Second)
	orDefault(&t.Request, time.Minute)
	orDefault(&t.NoLeader, 3*time.Second)
	orDefault(&t.CursorTTL, 30*time.Second)
	orDefault(&t.Shutdown, 10*time.Second)
	orDefault(&t.Header, 10*time.Second)
	return t
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
