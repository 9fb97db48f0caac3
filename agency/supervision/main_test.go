package supervision

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/fsm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree is a leader's two trees without an agency around them.
type tree struct {
	t testing.TB

	mu        sync.Mutex
	machine   *fsm.Machine
	transient *fsm.Machine
	before    func()   // called before a proposal is applied, once
	looking   func()   // called before the heartbeats are read, once
	looked    func()   // called after the heartbeats were read, once
	fails     error    // of the next proposals
	events    []string // what it told
	asked     int      // proposals, applied or not
}

func newTree(t testing.TB) *tree {
	s := &tree{t: t, machine: fsm.New(100), transient: fsm.New(0)}
	s.write(agencyclient.Tx{Ops: map[string]any{
		keys.InitDone:         true,
		keys.PlanVersion:      1,
		keys.RestoreEpoch:     0,
		keys.LatestID:         100,
		keys.SupervisionGrace: 10,
		keys.SupervisionMode:  keys.ModeNormal,
	}})
	return s
}

func (s *tree) Root() *fsm.Node { return s.machine.State().Root() }
func (s *tree) Transient() *fsm.Node {
	s.mu.Lock()
	before, after := s.looking, s.looked
	s.looking, s.looked = nil, nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	seen := s.transient.State().Root()
	if after != nil {
		after()
	}
	return seen
}

func (s *tree) WriteTransient(_ context.Context, tx fsm.Transaction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transient.Apply(1, command(tx))[0].Reason
}

func (s *tree) Propose(_ context.Context, txs []fsm.Transaction) ([]uint64, error) {
	var indices []uint64
	for _, tx := range txs {
		index, err := s.proposeOne(tx)
		if err != nil {
			return indices, err
		}
		indices = append(indices, index)
	}
	return indices, nil
}

func (s *tree) proposeOne(tx fsm.Transaction) (uint64, error) {
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.fails != nil {
		return 0, s.fails
	}
	o := s.machine.Apply(1, command(tx))[0]
	if o.Index == 0 && len(o.Failed) == 0 {
		return 0, o.Reason
	}
	return o.Index, nil
}

// sink keeps the events' texts.
func (s *tree) sink(_ context.Context, e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e.String())
}

func (s *tree) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.events...)
}

func (s *tree) proposals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// fail makes proposals fail from now on, or work again.
func (s *tree) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// write is a transaction of another client; it must apply.
func (s *tree) write(tx agencyclient.Tx) {
	s.t.Helper()
	parsed, err := parse(tx)
	require.NoError(s.t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.machine.Apply(1, command(parsed))[0]
	require.NoError(s.t, o.Reason)
}

func (s *tree) set(path string, value any) {
	s.t.Helper()
	s.write(agencyclient.Tx{Ops: map[string]any{path: agencyclient.Set(value)}})
}

func command(tx fsm.Transaction) fsm.Command {
	return fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{tx}}
}

// supervise runs a leader's supervision over the tree until stop is called.
func supervise(s *tree) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Config{Store: s, Steps: s.sink}) }()
	return sync.OnceFunc(func() {
		s.t.Helper()
		cancel()
		require.NoError(s.t, <-done)
	})
}

// beats makes a server send heartbeats every second until stop is called.
func (s *tree) beats(id string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ticker := time.NewTicker(time.Second); ; {
			s.beat(id)
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *tree) beat(id string) {
	s.sends(id, keys.Heartbeat{Time: time.Now().Format(time.RFC3339Nano), Status: agencyclient.StatusServing})
}

// sends is a heartbeat that says this.
func (s *tree) sends(id string, beat keys.Heartbeat) {
	tx, err := parse(agencyclient.Tx{Ops: map[string]any{keys.ServerStates + "/" + id: beat}})
	if err == nil {
		err = s.WriteTransient(context.Background(), tx)
	}
	if err != nil {
		panic(err) // another goroutine than the test's
	}
}

// status is a server's recorded status.
func (s *tree) status(id string) string {
	return s.Root().At(keys.Health + "/" + id + "/Status").Text()
}

func (s *tree) frozen() bool { return s.Root().At(keys.HotBackupCreate).Exists() }

var errNoMajority = errors.New("no majority")
