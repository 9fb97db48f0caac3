package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/fsm"
)

var errTodo = errors.New("not written yet")

type Options struct {
	Endpoints      []string // http://host:port
	HTTP           *http.Client
	Logger         hclog.Logger
	AttemptTimeout time.Duration
}

type Client struct{}

func New(o Options) *Client { return &Client{} }

func (c *Client) Write(ctx context.Context, tx Tx) (uint64, error)          { return 0, errTodo }
func (c *Client) WriteAll(ctx context.Context, txs ...Tx) ([]uint64, error) { return nil, errTodo }
func (c *Client) Read(ctx context.Context, paths ...string) (*Node, error)  { return nil, errTodo }
func (c *Client) TransientWrite(ctx context.Context, txs ...Tx) error       { return errTodo }
func (c *Client) Config(ctx context.Context) (Config, error)                { return Config{}, errTodo }
func (c *Client) ConfigOf(ctx context.Context, ep string) (Config, error)   { return Config{}, errTodo }
func (c *Client) TransientRead(ctx context.Context, p ...string) (*Node, error) {
	return nil, errTodo
}
func (c *Client) Transact(ctx context.Context, elements ...any) ([]json.RawMessage, error) {
	return nil, errTodo
}
func (c *Client) Poll(ctx context.Context, index uint64, timeout time.Duration) (PollResult, error) {
	return PollResult{}, errTodo
}

// PollResult is what poll answers: either the whole tree (ReadDB), or the log
// from the index that was asked for.
type PollResult struct {
	ReadDB      *Node
	Log         []fsm.Entry
	CommitIndex uint64
	FirstIndex  uint64
}

type Config struct {
	Term                uint64           `json:"term"`
	LeaderID            string           `json:"leaderId"`
	CommitIndex         uint64           `json:"commitIndex"`
	LastCompactionAt    uint64           `json:"lastCompactionAt"`
	NextCompactionAfter uint64           `json:"nextCompactionAfter"`
	LastAcked           map[string]Acked `json:"lastAcked,omitempty"`
	Configuration       Configuration    `json:"configuration"`
	Engine              string           `json:"engine"`
	Version             string           `json:"version"`
}
type Acked struct {
	LastAckedTime  float64 `json:"lastAckedTime"`
	LastAckedIndex uint64  `json:"lastAckedIndex"`
	LastAppend     float64 `json:"lastAppend"`
}
type Configuration struct {
	Pool       map[string]string `json:"pool"`
	Active     []string          `json:"active"`
	ID         string            `json:"id"`
	AgencySize int               `json:"agency size"`
	PoolSize   int               `json:"pool size"`
	Endpoint   string            `json:"endpoint"`
}

type Snapshot struct {
	Index uint64
	Root  *Node
}
type Cache struct{}

func NewCache(c *Client, logger hclog.Logger) *Cache        { return &Cache{} }
func (c *Cache) Run(ctx context.Context) error              { return errTodo }
func (c *Cache) Snapshot() Snapshot                         { return Snapshot{} }
func (c *Cache) Changed(after uint64) <-chan struct{}       { return nil }
func (c *Cache) Sync(ctx context.Context) (Snapshot, error) { return Snapshot{}, errTodo }
func (c *Cache) Wait(ctx context.Context, ok func(Snapshot) bool) (Snapshot, error) {
	return Snapshot{}, errTodo
}

type Role string

const (
	DBServer    Role = "dbserver"
	Coordinator Role = "coordinator"
)

type Registration struct {
	ID                 string
	Role               Role
	Endpoint           string // tcp://host:port
	AdvertisedEndpoint string
	Host               string
	Engine             string
	Epoch              uint64 // DB servers: the restore epoch whose data is open
}

func Bootstrap(ctx context.Context, c *Client) error                          { return errTodo }
func Register(ctx context.Context, c *Client, r Registration) (uint64, error) { return 0, errTodo }
func Heartbeat(ctx context.Context, c *Client, id, status string) error       { return errTodo }
func ReserveIDs(ctx context.Context, c *Client, n uint64) (first uint64, err error) {
	return 0, errTodo
}
