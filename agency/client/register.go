package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stasis/agency/keys"
	"stasis/internal/version"
)

// Role is what a registering server does.
type Role string

// The roles that register.
const (
	DBServer    Role = "dbserver"
	Coordinator Role = "coordinator"
)

// Registration is what a server says about itself at its start.
type Registration struct {
	ID                 string
	Process            keys.Process // how people find it
	Role               Role
	Endpoint           string // tcp://host:port
	AdvertisedEndpoint string
	Host               string // identity of the machine
	Engine             string // default "rocksdb", which clients of ArangoDB expect
	// Epoch (DB servers) is the restore epoch of the data that is open. At the first
	// registration it must be the cluster's: the server's empty engine is taken for
	// that epoch's.
	Epoch uint64
	// Comeback (DB servers) is what a server knows of its removal that was taken out of the
	// cluster and comes back with backup pieces.
	Comeback Comeback
}

// Comeback is what a DB server that is not in Plan knows of its removal: the values of
// RemovedServers/<id> and of the count of deletions when it looked which of its pieces
// are still those of backups. The zero value is that of a server that was not removed.
type Comeback struct{ Removed, Deletes *Node }

// moved says whether the agency has something else by now.
func (b Comeback) moved(root *Node, id string) bool {
	same := func(was, is *Node) bool { return was.String() == is.String() && was.Exists() == is.Exists() }
	return !same(b.Removed, root.At(keys.ServerRemoved(id))) || b.Removed.Exists() && !same(b.Deletes, root.At(keys.HotBackupDeletes))
}

// Register makes the server known, in this order: one transaction raises its
// reboot id, announces its address, and gives it a short name the first time; a
// second one adds it to Plan if it is not there yet. Plan is frozen while a backup
// or restore runs, so the second one waits for the thaw. Call it before serving.
//
// Both transactions require what they replace. So a repetition cannot apply twice, and two
// processes with one id cannot get one reboot id.
//
// [ErrEpochMoved]: a DB server that is not in Plan yet has to begin at the cluster's
// epoch and register again. [ErrDeletedMeanwhile]: it has to look at its pieces again.
func Register(ctx context.Context, c *Client, r Registration) (rebootID uint64, err error) {
	names := namesOf(r.Role)
	for pauses := newBackoff(); ; {
		reg, err := readRegistry(ctx, c, r, names)
		if err != nil {
			return 0, fmt.Errorf("register %s: %w", r.ID, err)
		}
		_, err = c.Write(ctx, reg.announcement(r, names, c.wall.Now()))
		if err == nil {
			if !reg.planned {
				err = enterPlan(ctx, c, r, names)
			}
			return reg.rebootID + 1, err
		}
		if !errors.Is(err, ErrPrecondition) || pauses.wait(ctx) != nil {
			return 0, fmt.Errorf("register %s: %w", r.ID, err)
		}
	}
}

// roleNames are the keys that differ between the roles.
type roleNames struct{ plan, current, counter, short string }

func namesOf(r Role) roleNames {
	if r == DBServer {
		return roleNames{keys.PlanDBServers, keys.CurrentDBServers, keys.LatestDBServer, "DBServer"}
	}
	return roleNames{keys.PlanCoordinators, keys.CurrentCoordinators, keys.LatestCoord, "Coordinator"}
}

// registry is what the agency holds about a server before it registers.
type registry struct {
	known    *Node
	rebootID uint64
	counter  *Node // last short name given out
	short    *Node
	epoch    *Node
	planned  bool  // in Plan
	names    *Node // changes whenever a server registers; nil: the server has no name
	// abandoned are the servers that have announced themselves under this name, and are not in Plan.
	abandoned []string
}

func readRegistry(ctx context.Context, c *Client, r Registration, n roleNames) (registry, error) {
	root, err := c.Read(ctx, keys.InitDone, keys.CurrentServersRegistered, keys.Health, keys.ServerKnown(r.ID), n.counter, keys.ShortIDs+"/"+r.ID,
		keys.RestoreEpoch, keys.PlanDBServers, keys.PlanCoordinators)
	if err != nil {
		return registry{}, err
	}
	if !root.At(keys.InitDone).Exists() {
		return registry{}, fmt.Errorf("%w: the cluster is not bootstrapped", ErrRejected)
	}
	reg := registry{
		known:   root.At(keys.ServerKnown(r.ID)),
		counter: root.At(n.counter),
		short:   root.At(keys.ShortIDs + "/" + r.ID),
		epoch:   root.At(keys.RestoreEpoch),
		planned: root.At(n.plan + "/" + r.ID).Exists(),
	}
	if reg.abandoned, err = freeName(root, r); err != nil {
		return registry{}, err
	}
	if r.Process.Name != "" {
		reg.names = root.At(keys.CurrentServersRegistered + "/Version")
	}
	reboots, _ := reg.known.At("rebootId").Int()
	reg.rebootID = uint64(reboots)
	if epoch, _ := reg.epoch.Int(); r.Role == DBServer && !reg.planned && uint64(epoch) != r.Epoch {
		return registry{}, fmt.Errorf("%w: the cluster is at %d, the server at %d", ErrEpochMoved, epoch, r.Epoch)
	}
	return reg, nil
}

// freeName refuses a name that another server has. A server at the same address, or that has failed, is the one
// in whose place this one comes: it has lost its directory.
//
// A server that has announced itself and is not in Plan has no name yet: no supervision watches it, so if it has
// died it would keep the name for ever. Its announcement is taken back by the one that takes the name. If it lives
// after all, it finds that out before it enters Plan.
func freeName(root *Node, r Registration) (abandoned []string, err error) {
	if r.Process.Name == "" {
		return nil, nil
	}
	registered := maps.Collect(root.At(keys.CurrentServersRegistered).Children())
	for _, id := range slices.Sorted(maps.Keys(registered)) {
		var other keys.Registered
		if id == r.ID || registered[id].Decode(&other) != nil || other.Process.Name != r.Process.Name || other.Endpoint == r.Endpoint {
			continue
		}
		health := root.At(keys.Health + "/" + id + "/Status").Text()
		switch planned := root.At(keys.PlanDBServers+"/"+id).Exists() || root.At(keys.PlanCoordinators+"/"+id).Exists(); {
		case health == keys.StatusFailed:
		case health == "" && !planned:
			abandoned = append(abandoned, id)
		default:
			return nil, fmt.Errorf("%w: the name %q is that of %s at %s: give this server another one with --name", ErrRejected, r.Process.Name, id, other.Endpoint)
		}
	}
	return abandoned, nil
}

// announcement is the first transaction.
func (reg registry) announcement(r Registration, n roleNames, now time.Time) Tx {
	tx := Tx{
		Ops: map[string]any{
			keys.ServerKnown(r.ID) + "/rebootId":       reg.rebootID + 1,
			keys.ServerRegistered(r.ID):                r.registered(now),
			keys.CurrentServersRegistered + "/Version": Increment(1),
			n.current + "/" + r.ID:                     marker,
			keys.CurrentVersion:                        Increment(1),
		},
		Pre: map[string]any{keys.ServerKnown(r.ID): Exactly(reg.known)},
	}
	if reg.names != nil {
		tx.Pre[keys.CurrentServersRegistered+"/Version"] = Exactly(reg.names)
	}
	for _, id := range reg.abandoned {
		tx.Ops[keys.ServerRegistered(id)] = Delete()
		tx.Pre[keys.PlanDBServers+"/"+id], tx.Pre[keys.PlanCoordinators+"/"+id] = OldEmpty(true), OldEmpty(true)
	}
	if r.Role == DBServer {
		tx.Ops[keys.ServerKnown(r.ID)+"/epoch"] = r.Epoch
		if !reg.planned {
			tx.Pre[keys.RestoreEpoch] = Exactly(reg.epoch)
		}
	}
	if !reg.short.Exists() {
		last, _ := reg.counter.Int()
		id := uint64(last) + 1
		tx.Ops[n.counter] = id
		tx.Ops[keys.ShortIDs+"/"+r.ID] = keys.ShortID{TransactionID: id, ShortName: fmt.Sprintf("%s%04d", n.short, id)}
		tx.Pre[n.counter] = Exactly(reg.counter)
		tx.Pre[keys.ShortIDs+"/"+r.ID] = OldEmpty(true)
	}
	return tx
}

func (r Registration) registered(now time.Time) keys.Registered {
	engine := r.Engine
	if engine == "" {
		engine = "rocksdb"
	}
	return keys.Registered{
		Endpoint:           r.Endpoint,
		AdvertisedEndpoint: r.AdvertisedEndpoint,
		Process:            r.Process,
		Host:               r.Host,
		Version:            version.APINumber,
		VersionString:      version.API,
		Engine:             engine,
		Timestamp:          stamp(now),
	}
}

// enterPlan adds the server to Plan, after the thaw if it is frozen.
func enterPlan(ctx context.Context, c *Client, r Registration, n roleNames) error {
	key := n.plan + "/" + r.ID
	tx := Tx{
		Ops: map[string]any{key: marker, keys.PlanVersion: Increment(1)},
		Pre: map[string]any{key: OldEmpty(true)},
	}
	if r.Process.Name != "" {
		tx.Pre[keys.ServerRegistered(r.ID)] = OldEmpty(false)
	}
	if r.Role == DBServer {
		tx.Pre[keys.RestoreEpoch] = r.Epoch
		tx.Pre[keys.ServerRemoved(r.ID)] = Exactly(r.Comeback.Removed)
		if r.Comeback.Removed.Exists() {
			tx.Pre[keys.HotBackupDeletes] = Exactly(r.Comeback.Deletes)
			tx.Ops[keys.ServerRemoved(r.ID)], tx.Ops[keys.Departed(r.ID)] = Delete(), Delete()
		}
	}
	waiting := false
	for pauses := newBackoff(); ; {
		_, err := c.Write(ctx, tx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrPrecondition) {
			return fmt.Errorf("enter %s into Plan: %w", r.ID, err)
		}
		frozen, done, err := planEntry(ctx, c, r, key)
		if err != nil || done {
			return err
		}
		if frozen != waiting {
			waiting = frozen
			c.log.Info("waiting for the thaw of Plan to enter it", "server", r.ID, "frozen", frozen)
		}
		if err := pauses.wait(ctx); err != nil {
			return fmt.Errorf("enter %s into Plan, which is frozen: %w: %w", r.ID, ErrUnavailable, err)
		}
	}
}

// planEntry says why the server could not be entered into Plan.
func planEntry(ctx context.Context, c *Client, r Registration, key string) (frozen, done bool, err error) {
	root, err := c.Read(ctx, key, keys.RestoreEpoch, keys.HotBackupCreate, keys.HotBackupThawed, keys.ServerRemoved(r.ID), keys.HotBackupDeletes, keys.ServerRegistered(r.ID))
	if err != nil {
		return false, false, fmt.Errorf("enter %s into Plan: %w", r.ID, err)
	}
	if root.At(key).Exists() {
		return false, true, nil
	}
	if r.Process.Name != "" && !root.At(keys.ServerRegistered(r.ID)).Exists() {
		return false, false, fmt.Errorf("enter %s into Plan: %w: another server has taken the name %q meanwhile: give this server another one with --name", r.ID, ErrRejected, r.Process.Name)
	}
	if epoch, _ := root.At(keys.RestoreEpoch).Int(); r.Role == DBServer && uint64(epoch) != r.Epoch {
		return false, false, fmt.Errorf("enter %s into Plan: %w: the cluster is at %d, the server at %d", r.ID, ErrEpochMoved, epoch, r.Epoch)
	}
	if r.Role == DBServer && r.Comeback.moved(root, r.ID) {
		return false, false, fmt.Errorf("enter %s into Plan: %w", r.ID, ErrDeletedMeanwhile)
	}
	return Frozen(root), false, nil
}
