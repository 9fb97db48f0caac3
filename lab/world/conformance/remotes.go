package conformance

import (
	"errors"
	"fmt"
	"syscall"

	"stasis/client"
	"stasis/fault"
	"stasis/lab/world"
)

func remotes() []row {
	faults := []world.Feature{world.Remotes, world.RemoteFaults}
	return []row{
		{"an upload and a download", []world.Feature{world.Remotes}, (*scene).upAndDown},
		remote("a remote that hangs", faults, func(r world.Remote) (world.Met, error) {
			return r.Hang(fault.Calls{Kinds: fault.Write})
		}),
		remote("a remote that fails", faults, func(r world.Remote) (world.Met, error) {
			return r.Fail(fault.Calls{Kinds: fault.Sync, After: 1, Times: 1}, syscall.EIO)
		}),
	}
}

// remote breaks the remote while a backup is uploaded. The upload completes when that is over.
func remote(name string, needs []world.Feature, set func(world.Remote) (world.Met, error)) row {
	return row{name, needs, func(s *scene) (done, error) {
		met, err := set(s.world.Remote())
		if err != nil {
			return done{}, err
		}
		d, _ := ofMet(met, nil) // there is one
		id, err := s.made()
		if err != nil {
			return d, err
		}
		upload, err := s.transfer(client.Upload, id, name)
		end := d.back
		d.drive = func() {}
		d.back = func() error {
			if err := end(); err != nil {
				return err
			}
			s.until("the upload completes after "+name, func() error { return s.completed(upload) })
			return nil
		}
		return d, err
	}}
}

// upAndDown sends a backup, deletes it, and fetches it again.
func (s *scene) upAndDown() (done, error) {
	id, err := s.made()
	if err != nil {
		return done{}, err
	}
	backups := s.world.Clients()[0].Backups()
	return done{
		drive: func() {},
		met: func() (bool, error) {
			if err := s.whole(client.Upload, id, "a"); err != nil {
				return false, err
			}
			if _, err := backups.Delete(s.ctx, id); err != nil {
				return false, err
			}
			if err := s.whole(client.Download, id, "a"); err != nil {
				return false, err
			}
			report, err := backups.Verify(s.ctx, id)
			if err == nil && !report.Intact {
				err = fmt.Errorf("the backup that was fetched: %q", report.Problems)
			}
			return err == nil, err
		},
		back: func() error { return nil },
	}, nil
}

// transfer begins a transfer.
func (s *scene) transfer(kind client.TransferKind, backup, place string) (id string, err error) {
	return s.world.Clients()[0].Backups().Transfer(s.ctx, kind, client.TransferRequest{ID: backup, Remote: s.world.Remote().At(place)})
}

// whole does a transfer, and waits for it.
func (s *scene) whole(kind client.TransferKind, backup, place string) error {
	id, err := s.transfer(kind, backup, place)
	if err == nil {
		s.until("the "+string(kind)+" completes", func() error { return s.completed(id) })
	}
	return err
}

// errGoesOn is a transfer that is not over.
var errGoesOn = errors.New("it goes on")

// completed is an error unless a transfer has completed.
func (s *scene) completed(id string) error {
	status, err := s.world.Clients()[0].Backups().TransferStatus(s.ctx, id)
	switch {
	case err != nil:
		return err
	case !status.Finished():
		return errGoesOn
	case !status.Completed():
		s.t.Fatalf("transfer %s: %+v", id, status.DBServers)
	}
	return nil
}
