package director

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/workload"
)

// operation is one operation of the scenario.
type operation struct {
	scenario.Operation
	done  chan struct{} // closed when it has ended
	never chan struct{} // closed when it is known that it will not begin

	// The rest is set by the goroutine that does it: On when it begins, what it found before done is closed.
	coordinator  string
	begun, ended time.Time
	cut          workload.Cut
	created      client.CreateResult
	err          error

	listed bool // of a create: its backup is listed when everything has healed
}

// state is what is known of an operation without waiting.
func (o *operation) state() (ended bool) {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// operations are all of a scenario, by label.
type operations struct {
	all     []*operation
	byLabel map[string]*operation
	group   sync.WaitGroup

	mu     sync.Mutex
	begun  map[string]bool
	doubts []*operation // restores of which it is not known whether they were committed
}

func newOperations(s *scenario.Scenario) *operations {
	all := &operations{byLabel: map[string]*operation{}, begun: map[string]bool{}}
	for _, o := range s.Operations() {
		one := &operation{Operation: o, done: make(chan struct{}), never: make(chan struct{})}
		all.all = append(all.all, one)
		all.byLabel[o.Label] = one
	}
	return all
}

// begin says whether an operation may begin: each does once.
func (o *operations) begin(label string) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun[label] {
		return nil, fmt.Errorf("the operation %s has begun already", label)
	}
	o.begun[label] = true
	return o.byLabel[label], nil
}

// dismiss says that operations which have not begun will not.
func (o *operations) dismiss(labels []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range labels {
		if !o.begun[l] {
			o.begun[l] = true
			close(o.byLabel[l].never)
		}
	}
}

// backup is the create of a label that has succeeded.
func (o *operations) backup(label string) (*operation, error) {
	for _, one := range o.all {
		if one.Kind != "create" || one.Backup != label {
			continue
		}
		switch {
		case !one.state():
			return nil, fmt.Errorf("the backup %s has not ended yet", label)
		case one.err != nil:
			return nil, fmt.Errorf("the backup %s has failed: %w", label, one.err)
		}
		return one, nil
	}
	return nil, fmt.Errorf("there is no backup %s", label)
}

// successful are the creates that have made a backup, and those that have failed and made one all the same.
func (o *operations) successful() []*operation {
	var all []*operation
	for _, one := range o.all {
		if one.Kind == "create" && one.state() && (one.err == nil || one.listed) {
			all = append(all, one)
		}
	}
	return all
}

// perform carries out one operation of the scenario.
func (s *stage) perform(ctx context.Context, o *operation, a scenario.Action, c *client.Client) error {
	if o.Kind == "create" {
		return s.create(ctx, o, a, c)
	}
	of, err := s.operations.backup(o.Backup)
	if err != nil {
		return err
	}
	id := of.created.ID
	switch o.Kind {
	case "restore":
		return s.restore(ctx, o, a, c)
	case "delete":
		_, err := c.Backups().Delete(ctx, id)
		return err
	case "verify":
		result, err := c.Backups().Verify(ctx, id)
		if err == nil && !result.Intact {
			err = fmt.Errorf("the backup is not intact: %v", result.Problems)
		}
		return err
	}
	return s.transfer(ctx, client.TransferKind(o.Kind), client.TransferRequest{ID: id, Remote: client.Remote{Path: a.Args["remote"]}}, c)
}

func (s *stage) create(ctx context.Context, o *operation, a scenario.Action, c *client.Client) error {
	request := client.CreateRequest{Label: o.Backup, Timeout: scenario.Time(a.Args["time"]), Deadline: scenario.Time(a.Args["deadline"]), Force: a.Args["force"] != ""}
	var err error
	o.cut.Asked = s.history.Now()
	o.created, err = c.Backups().Create(ctx, request)
	o.cut.Returned = s.history.Now()
	return err
}

// restore restores a backup while the load stands still, and lets the load go on from it.
func (s *stage) restore(ctx context.Context, o *operation, a scenario.Action, c *client.Client) error {
	of, err := s.operations.backup(o.Backup)
	if err != nil {
		return err
	}
	if err := s.loads.halt(); err != nil {
		return err
	}
	_, err = c.Backups().Restore(ctx, client.RestoreRequest{ID: of.created.ID, Timeout: scenario.Time(a.Args["time"])})
	switch {
	case err == nil:
		if told := s.tell(ctx, of.cut); told != nil {
			return fmt.Errorf("restored, but the load cannot go on: %w", told)
		}
		s.loads.resume()
	case errors.Is(err, client.ErrUnknownOutcome), errors.Is(err, client.ErrCommitted):
		s.operations.mu.Lock()
		s.operations.doubts = append(s.operations.doubts, o) // the load stands still until it is known
		s.operations.mu.Unlock()
	default:
		s.loads.resume()
	}
	return err
}

// tell tells the load of a restore; the cluster may not serve at once.
func (s *stage) tell(ctx context.Context, cut workload.Cut) error {
	_, err := until(ctx, serveLimit, func(ctx context.Context) error { return s.loads.restored(ctx, cut) })
	return err
}

func (s *stage) transfer(ctx context.Context, kind client.TransferKind, request client.TransferRequest, c *client.Client) error {
	id, err := c.Backups().Transfer(ctx, kind, request)
	if err != nil {
		return err
	}
	var status client.TransferStatus
	if _, err := until(ctx, operationLimit, func(ctx context.Context) (err error) {
		if status, err = c.Backups().TransferStatus(ctx, id); err == nil && !status.Finished() {
			err = fmt.Errorf("%s %s goes on", kind, id)
		}
		return err
	}); err != nil {
		return err
	}
	if status.Completed() {
		return nil
	}
	for server, part := range status.DBServers {
		if part.ErrorMessage != "" {
			return fmt.Errorf("%s of %s: error %d: %s", kind, server, part.Error, part.ErrorMessage)
		}
	}
	return fmt.Errorf("%s %s has not completed", kind, id)
}

// until looks again and again until nothing is wrong, at most for limit, and says how long that took. The
// error is what was wrong last.
func until(ctx context.Context, limit time.Duration, look func(context.Context) error) (took time.Duration, err error) {
	begun := time.Now()
	for {
		bounded, cancel := context.WithTimeout(ctx, callLimit)
		err = look(bounded)
		cancel()
		if took = time.Since(begun); err == nil || took >= limit {
			return took, err
		}
		if sleep(ctx, pause) != nil {
			return took, err
		}
	}
}
