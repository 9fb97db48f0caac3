package director

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/workload"
)

// beginOperation begins an operation and does not wait for it.
func beginOperation(ctx context.Context, s *stage, d deed) error {
	named, ok := scenario.OperationOf(d.Action)
	if !ok {
		return fmt.Errorf("it is no operation")
	}
	names, err := s.choice.servers(ctx, named.On, d.focus)
	if err != nil {
		return err
	}
	c, err := s.clientOf(names[0])
	if err != nil {
		return err
	}
	o, err := s.operations.begin(named.Label)
	if err != nil {
		return err
	}
	o.coordinator, o.begun = names[0], time.Now()
	s.operations.group.Go(func() {
		bounded, cancel := context.WithTimeout(ctx, operationLimit)
		defer cancel()
		o.err = performOperation(bounded, s, o, d.Action, c)
		o.ended = time.Now()
		outcome := "has succeeded"
		if o.err != nil {
			outcome = "has failed: " + o.err.Error()
		}
		s.log(fmt.Sprintf("%s on %s %s after %v", o.Label, o.coordinator, outcome, o.ended.Sub(o.begun).Round(time.Millisecond)))
		close(o.done)
	})
	return nil
}

// performOperation carries out one operation of the scenario.
func performOperation(ctx context.Context, s *stage, o *operation, a scenario.Action, c *client.Client) error {
	if o.Kind == "create" {
		return s.create(ctx, o, a, c)
	}
	of, err := s.operations.backup(o.Backup)
	if err != nil {
		o.unasked = err
		return err
	}
	id := of.created.ID
	switch o.Kind {
	case "restore":
		return restoreBackup(ctx, s, o, a, c)
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
	return transferBackup(ctx, s, client.TransferKind(o.Kind), client.TransferRequest{ID: id, Remote: s.world.Remote().At(strings.TrimPrefix(a.Args["remote"], "lab:"))}, c)
}

func (s *stage) create(ctx context.Context, o *operation, a scenario.Action, c *client.Client) error {
	mode := s.operations.mode
	if mode == "" {
		mode = client.LockMode(a.Args["mode"])
	}
	request := client.CreateRequest{Label: o.Backup, Timeout: scenario.Time(a.Args["time"]), Deadline: scenario.Time(a.Args["deadline"]), Force: a.Args["force"] != "",
		LockMode: mode, AllowInconsistent: mode == client.LockModeNone} // it is refused without
	var err error
	o.cut.Asked = s.history.Now()
	o.created, err = c.Backups().Create(ctx, request)
	o.cut.Returned = s.history.Now()
	return err
}

// restoreBackup restores a backup while the load stands still, and lets the load go on from it.
func restoreBackup(ctx context.Context, s *stage, o *operation, a scenario.Action, c *client.Client) error {
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
			o.restored = true
			s.doubt(o) // it is told when everything has healed: without that all that the restore took back would count as lost
			return fmt.Errorf("restored, but the load cannot go on yet: %w", told)
		}
		s.loads.resume()
	case errors.Is(err, client.ErrUnknownOutcome), errors.Is(err, client.ErrCommitted):
		s.doubt(o)
	default:
		s.loads.resume()
	}
	return err
}

// doubt lets the load stand still until it is known whether a restore was committed, and the load has been told.
func (s *stage) doubt(o *operation) {
	s.operations.mu.Lock()
	defer s.operations.mu.Unlock()
	s.operations.doubts = append(s.operations.doubts, o)
}

// tell tells the load of a restore; the cluster may not serve at once.
func (s *stage) tell(ctx context.Context, cut workload.Cut) error {
	_, err := until(ctx, serveLimit, func(ctx context.Context) error { return s.loads.restored(ctx, cut) })
	return err
}

func transferBackup(ctx context.Context, s *stage, kind client.TransferKind, request client.TransferRequest, c *client.Client) error {
	id, err := c.Backups().Transfer(ctx, kind, request)
	if err != nil {
		return err
	}
	var status client.TransferStatus
	if _, err := until(ctx, operationLimit, func(ctx context.Context) (err error) {
		if err = s.choice.ask(ctx, func(ctx context.Context, c *client.Client) (err error) { // its own coordinator may be dead
			status, err = c.Backups().TransferStatus(ctx, id)
			return err
		}); err == nil && !status.Finished() {
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
