package reader

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/agency"
	"stasis/coordinator"
	"stasis/dbserver"
	"stasis/dbserver/engine"
	"stasis/fault"
	"stasis/internal/budget"
	"stasis/internal/network"
)

const (
	dataDir = "/data" // on each disk

	agentAddress       = "agent-1:1"
	coordinatorAddress = "coordinator-1:1"

	// grace is how long a server may be silent before others take its place. There are no others: a process that stands still
	// for a while must not lose its shards by that.
	grace = 10 * time.Minute

	electionTimeout = 20 * time.Millisecond // the only agent need not wait for others

	// pass is how often servers look at each other while the backup is restored.
	pass = 50 * time.Millisecond

	cacheBytes    = 32 << 20 // of each engine: what is read is mostly read once
	memTableBytes = 16 << 20

	leastBudget = 64 << 20 // is enough for the largest document
	stopLimit   = 10 * time.Second
)

// server is what the three kinds of servers have in common.
type server interface {
	Close(ctx context.Context) error
	Err() <-chan error
}

// cluster is the running servers. They are not a minicluster: DB servers have the ids of those that made the pieces, small
// caches, no compactions, which would bring tables into memory, and short
// intervals, because a restore waits for them.
type cluster struct {
	network *fault.Network
	web     *http.Client
	servers []server // in the order of starting
	limits  network.Limits
}

// startCluster starts an agency and a coordinator, and a DB server on each disk, on which its data is in /data. After an error
// nothing is left running.
func startCluster(ctx context.Context, disks []vfs.FS) (c *cluster, err error) {
	c = &cluster{network: fault.NewNetwork(), limits: network.Limits{Budget: budget.New(max(budget.Default()/int64(len(disks)+2), leastBudget))}}
	c.web = network.NewHTTPClient(c.network.Host("reader"))
	defer func() {
		if err != nil {
			c, err = nil, errors.Join(err, c.stop())
		}
	}()
	if err := c.add(agency.Start(ctx, c.agent())); err != nil {
		return c, fmt.Errorf("start the agency of the backup: %w", err)
	}
	for i, disk := range disks {
		if err := c.add(dbserver.Start(ctx, c.dbserver(i, disk))); err != nil {
			return c, fmt.Errorf("start a DB server of the backup: %w", err)
		}
	}
	if err := c.add(coordinator.Start(ctx, c.coordinator())); err != nil {
		return c, fmt.Errorf("start the coordinator of the backup: %w", err)
	}
	return c, nil
}

// add keeps a server that was started.
func (c *cluster) add(s server, err error) error {
	if err == nil {
		c.servers = append(c.servers, s)
	}
	return err
}

func (c *cluster) agent() agency.Config {
	return agency.Config{
		Listen: agentAddress, Advertise: agentAddress, Network: c.host(agentAddress), HTTP: c.limits, Dir: "agent", FS: vfs.NewMem(), Logger: hclog.NewNullLogger(),
		Timing: agency.Timing{Heartbeat: electionTimeout, Election: electionTimeout, Lease: electionTimeout, Grace: grace, Supervision: pass},
	}
}

func (c *cluster) dbserver(i int, disk vfs.FS) dbserver.Config {
	address := fmt.Sprintf("dbserver-%d:1", i+1)
	return dbserver.Config{
		Dir: dataDir, FS: disk, Listen: address, Advertise: address, Agency: []string{"http://" + agentAddress},
		Network: c.host(address), HTTP: c.limits, Engine: engine.Options{CacheBytes: cacheBytes, MemTableBytes: memTableBytes, NoCompactions: true},
		Timing: dbserver.Timing{Heartbeat: pass, Retry: pass},
	}
}

func (c *cluster) coordinator() coordinator.Config {
	return coordinator.Config{
		Listen: coordinatorAddress, Advertise: coordinatorAddress, Agency: []string{"http://" + agentAddress},
		Network: c.host(coordinatorAddress), HTTP: c.limits,
	}
}

// host is the network as the server at an address uses it.
func (c *cluster) host(address string) network.Network {
	name, _, _ := net.SplitHostPort(address) // they are written above
	return c.network.Host(name)
}

// stop ends everything, the servers in the opposite order of their start.
func (c *cluster) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	c.web.CloseIdleConnections()
	var errs []error
	for i := len(c.servers) - 1; i >= 0; i-- {
		errs = append(errs, c.servers[i].Close(ctx))
	}
	return errors.Join(append(errs, c.network.Close())...)
}
