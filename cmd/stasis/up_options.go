package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"stasis/cmd/stasis/flags"
	"stasis/minicluster"
)

// upOptions say what cluster to start.
type upOptions struct {
	dir          string
	mode         string
	agents       int
	dbservers    int
	coordinators int
	basePort     int
	readyFile    string
	logLevel     string
	degraded     bool // a cluster that exists starts without what is broken, and goes on without what dies
	restart      bool
	lab          bool       // it takes faults
	logs         flags.Logs // of processes
	rules        flags.Remotes
	pages        flags.Browsers
}

// cluster turns the options into those of the mini-cluster, on the directory dir.
func (o upOptions) cluster(dir string, errOut io.Writer) (minicluster.Options, error) {
	level := hclog.LevelFromString(o.logLevel)
	if level == hclog.NoLevel {
		return minicluster.Options{}, fmt.Errorf("--log-level %q: want trace, debug, info, warn or error", o.logLevel)
	}
	if _, err := o.logs.Limits(); err != nil {
		return minicluster.Options{}, err
	}
	remotes, err := o.rules.Open(errOut) // also for processes, so that what is wrong is reported now
	if err != nil {
		return minicluster.Options{}, err
	}
	if _, err := o.pages.Browsers(); err != nil {
		return minicluster.Options{}, err
	}
	opts := minicluster.Options{
		Dir: dir, Agents: o.agents, DBServers: o.dbservers, Coordinators: o.coordinators, BasePort: o.basePort,
		Logger:   hclog.New(&hclog.LoggerOptions{Level: level, Output: errOut}),
		Pages:    minicluster.Pages{TrustedOrigins: o.pages.Origins, Hosts: o.pages.Hosts},
		Degraded: o.degraded, Revive: o.restart, Lab: o.lab,
	}
	switch o.mode {
	case "inprocess":
		opts.Mode, opts.Seams.Remotes = minicluster.InProcess, remotes
		if flag := o.logs.Given(); flag != "" {
			return opts, fmt.Errorf("--%s is about the log files of --mode processes: in process the log goes to standard error", flag)
		}
	case "processes":
		binary, err := os.Executable()
		if err != nil {
			return opts, fmt.Errorf("finding this program to start the roles with: %w", err)
		}
		opts.Mode = minicluster.Processes
		opts.Program = minicluster.Program{Path: binary, Flags: o.logs.Arguments(), DBServerFlags: o.rules.Arguments()}
	}
	return opts, checkMode(o.mode)
}

func checkMode(mode string) error {
	if mode != "inprocess" && mode != "processes" {
		return fmt.Errorf("--mode %q: want inprocess or processes", mode)
	}
	return nil
}

// remember takes from a cluster that is in dir what was not asked for: the same
// directory means the same cluster.
func (o *upOptions) remember(dir string, asked func(flag string) bool) error {
	agents, dbservers, coordinators, ok, err := minicluster.Sizes(dir)
	if err != nil || !ok {
		return err
	}
	for flag, set := range map[string]func(){
		"agents": func() { o.agents = agents }, "dbservers": func() { o.dbservers = dbservers },
		"coordinators": func() { o.coordinators = coordinators }, "base-port": func() { o.basePort = 0 },
	} {
		if !asked(flag) {
			set()
		}
	}
	return nil
}

// place is the directory of the cluster, which is not made for options that are wrong.
func (o *upOptions) place() (string, func() error, error) {
	if err := checkMode(o.mode); err != nil {
		return "", nil, err
	}
	return clusterDir(o.dir, "stasis-up-")
}

// clusterDir gives the directory to use, and what to do with it at the end.
func clusterDir(dir, pattern string) (string, func() error, error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", pattern)
		return tmp, func() error { return os.RemoveAll(tmp) }, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("--dir: %w", err)
	}
	return abs, func() error { return nil }, os.MkdirAll(abs, 0o700)
}

func stopCluster(ctx context.Context, c *minicluster.Cluster) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*shutdownLimit)
	defer cancel()
	return c.Stop(stop)
}
