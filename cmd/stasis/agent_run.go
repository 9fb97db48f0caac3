package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/agency"
	"stasis/cmd/stasis/flags"
)

func agentCommand() *cobra.Command {
	var o roleOptions
	var id, logStore string
	var peers, join []string
	var timing agency.Timing
	var bootstrap bool
	quota := flags.Megabytes{Size: 256 << 20}
	cmd := &cobra.Command{
		Use:   "agent --dir DIR --listen HOST:PORT [--id ID --peer ID=HOST:PORT ...]",
		Short: "Run one agent of the agency",
		Long: `Run one agent of the agency.

An agency of several agents is started with the same --peer list on all of them, which
names every agent, this one included. An agent without --peer is an agency of its own.
The agency is founded when every named agent has answered that its data directory is
empty: an agent that is silent may still have the data of an agency that the others
have lost. A new agent that is to become a member of an existing agency is started
with --join.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			members, err := parsePeers(peers)
			if err != nil {
				return err
			}
			if len(members) > 0 && members[id] == "" {
				return fmt.Errorf("--id %q is not among the --peer entries: name this agent there too", id)
			}
			if bootstrap && (len(join) > 0 || len(members) == 0) {
				return errors.New("--bootstrap needs --peer and excludes --join: it is for agents that found a new agency")
			}
			if err := checkBounds(timing, quota); err != nil {
				return err
			}
			defer runtime.KeepAlive(headroom())
			return runRole(cmd, &o, func(ctx context.Context, log hclog.Logger) (server, error) {
				return agency.Start(ctx, agency.Config{
					ID: id, Dir: o.dir, Listen: o.listen, Advertise: o.advertise, Peers: members, Join: join,
					Network: o.lab.network(), FS: o.lab.fs(), Steps: o.lab.sink(), Wall: o.lab.wall(), Name: o.name, PID: os.Getpid(), Browsers: o.browsers, HTTP: o.http, Logger: log.Named("agent"), LogStore: logStore, MaxBodyBytes: int64(o.memory.MaxBody), Timing: timing, Bootstrap: bootstrap,
					TreeQuota: int64(quota.Size),
				})
			})
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&id, "id", "", "this agent's `id` (AGNT-…); default: the one of the data directory, or a new one")
	cmd.Flags().StringArrayVar(&peers, "peer", nil, "`ID=HOST:PORT` of a member of the agency; once for each, this one included")
	cmd.Flags().StringSliceVar(&join, "join", nil, "`HOST:PORT` of agents of an existing agency, to become a member of it; instead of --peer")
	cmd.Flags().BoolVar(&bootstrap, "bootstrap", false, "found the agency with a majority of the --peer agents, without the answers of the others. DANGEROUS: if one of the others has the data of an agency, that agent and its data are left out. No effect on an agent that has data")
	cmd.Flags().StringVar(&logStore, "log-store", "", "`kind` of file that keeps Raft's log in a new directory: wal (the default), which needs one sync for each entry, or bolt, which needs two")
	cmd.Flags().DurationVar(&timing.Grace, "grace", 10*time.Second, "`time` without a heartbeat after which a DB server is FAILED and its shards get other leaders, 3s or more; the same on all agents")
	cmd.Flags().DurationVar(&timing.LeaderGrace, "leader-grace", leaderGrace, "`time` for which a new leader of the agency takes no DB server for FAILED that it has not heard yet; --grace if that is longer")
	cmd.Flags().DurationVar(&timing.LeaderGrace, "settle", leaderGrace, "former name of --leader-grace")
	former := cmd.Flags().Lookup("settle")
	former.Deprecated, former.Hidden = "use --leader-grace", true
	cmd.Flags().DurationVar(&timing.DiskTimeout, "disk-timeout", 2*time.Minute, "`time` after which an agent whose disk hangs ends, 10s or more; until then it is silent, and another agent leads")
	cmd.Flags().Var(&quota, "tree-quota", "largest `size` of the agency's tree in memory, such as 512M or 1G (M if there is no unit); the same on all agents, of which each needs about four times as much memory")
	return cmd
}

// checkBounds refuses what an agent could not keep up with.
func checkBounds(timing agency.Timing, quota flags.Megabytes) error {
	switch {
	case timing.Grace < graceFloor:
		return fmt.Errorf("--grace %v: want %v or more", timing.Grace, graceFloor)
	case timing.DiskTimeout < diskFloor:
		return fmt.Errorf("--disk-timeout %v: want %v or more", timing.DiskTimeout, diskFloor)
	case quota.Size > mostQuota:
		return fmt.Errorf("--tree-quota %s: want 1M to 1T", quota.String())
	}
	return nil
}

// mostQuota is more than any tree that could be held.
const mostQuota = 1 << 40

// diskFloor is the shortest time after which an agent may end because of its disk: a
// disk that is slow for some seconds is none to give up.
const diskFloor = 10 * time.Second

// graceFloor is the shortest grace period: leases are seven tenths of it, DB servers
// renew them every second, and an election of the agency takes one to two.
const graceFloor = 3 * time.Second

// leaderGrace is the grace period of a new leader unless the operator names another.
const leaderGrace = 55 * time.Second

// headroom is memory that is never touched, so it takes none. It makes the garbage
// collector count it as live: a small tree under many requests would otherwise be
// collected many times a second.
func headroom() []byte { return make([]byte, 64<<20) }

func parsePeers(list []string) (map[string]string, error) {
	members := map[string]string{}
	for _, p := range list {
		id, address, ok := strings.Cut(p, "=")
		if !ok || id == "" || address == "" {
			return nil, fmt.Errorf("--peer %q: want ID=HOST:PORT", p)
		}
		if members[id] != "" {
			return nil, fmt.Errorf("--peer %q: %s is named twice", p, id)
		}
		members[id] = address
	}
	return members, nil
}
