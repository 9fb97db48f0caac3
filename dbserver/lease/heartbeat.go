package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/diskhealth"
	"stasis/internal/failpoint"
)

// part of the supervision's grace period is how long a lease lasts. The rest is for clocks
// that do not run at the same speed.
const part = 0.7

// Disk is the server's disk as far as leading depends on it.
type Disk interface {
	Hang() *diskhealth.Hang        // nil while the disk does not hang
	SetGrace(period time.Duration) // of the supervision; the disk's limit is a part of it
}

// Config says whose lease is kept, and how.
type Config struct {
	ID         string
	Agency     *agencyclient.Client
	Cache      *agencyclient.Cache
	Disk       Disk
	Status     func() string // what heartbeats say of the server
	RebootID   func() uint64 // 0 before the server is registered
	Registered <-chan struct{}
	Every      time.Duration // between two heartbeats
	Timeout    time.Duration // of one question to the agency
	Logger     hclog.Logger
}

// Keep sends heartbeats and renews the lease by their answers until ctx ends. A heartbeat that
// fails is not repeated: the next one follows. The first one with a lease follows at once when
// the server is registered.
func (l *Lease) Keep(ctx context.Context, c Config) error {
	ticker := time.NewTicker(c.Every)
	defer ticker.Stop()
	registered := c.Registered
	for {
		if err := l.beat(ctx, c); err != nil && ctx.Err() == nil {
			c.Logger.Debug("heartbeat", "error", err)
		}
		select {
		case <-ticker.C:
		case <-registered:
			registered = nil
		case <-ctx.Done():
			return nil
		}
	}
}

// beat sends one heartbeat. One that tells of a hung disk renews no lease, here and in the
// supervision.
func (l *Lease) beat(ctx context.Context, c Config) error {
	sent := l.clock.now()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	beat := l.heartbeat(c)
	if err := agencyclient.Beat(ctx, c.Agency, c.ID, beat); err != nil {
		return err
	}
	if err := failpoint.Hit(ctx, "dbserver/lease/answered", c.ID); err != nil || beat.Disk != nil {
		return err
	}
	return l.renew(ctx, c, sent)
}

// heartbeat is what the server says of itself. Where the disk hangs the lease is given up
// before the heartbeat says so: another server may lead as soon as the supervision has it. The
// heartbeat names the lease that was given up (see keys.HungDisk). The cache has its number,
// because no lease is taken before the cache has it.
func (l *Lease) heartbeat(c Config) keys.Heartbeat {
	beat := keys.Heartbeat{Status: c.Status()}
	hang := c.Disk.Hang()
	if hang == nil {
		return beat
	}
	l.giveUp()
	var known keys.Known
	if err := c.Cache.Snapshot().Root.At(keys.ServerKnown(c.ID)).Decode(&known); err != nil {
		c.Logger.Debug("heartbeat: the agency does not know this server yet", "error", err)
	}
	beat.Disk = &keys.HungDisk{Hangs: hang.String(), RebootID: c.RebootID(), Leases: known.Leases}
	return beat
}

// renew extends the lease by a heartbeat sent then, or takes it again after it has ended.
func (l *Lease) renew(ctx context.Context, c Config, sent moment) error {
	var seconds float64
	node := c.Cache.Snapshot().Root.At(keys.SupervisionGrace)
	if node.Decode(&seconds) != nil || c.RebootID() == 0 {
		return nil // not supervised yet, or not registered
	}
	if failpoint.Off("lease-from-sending") {
		sent = l.clock.now()
	}
	c.Disk.SetGrace(time.Duration(seconds * float64(time.Second)))
	length := time.Duration(part * seconds * float64(time.Second))
	if l.Check() == nil {
		l.extend(sent, length)
		return nil
	}
	index, err := c.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{keys.ServerKnown(c.ID) + "/leases": agencyclient.Increment(1)},
		Pre: map[string]any{keys.ServerKnown(c.ID) + "/rebootId": agencyclient.Old(c.RebootID())},
	})
	if err != nil {
		return fmt.Errorf("take the serving lease again: %w", err)
	}
	if failpoint.Off("lease-awaits-followed") {
		index = 0
	}
	if err := l.awaitFollowed(ctx, index); err != nil {
		return fmt.Errorf("take the serving lease again: %w", err)
	}
	l.extend(sent, length)
	return nil
}
