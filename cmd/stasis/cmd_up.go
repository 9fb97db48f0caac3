package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

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
	logs         logFileFlags // of processes
	rules        remoteRules
	pages        browserFlags
}

func upCommand() *cobra.Command {
	o := upOptions{degraded: true}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a local cluster and keep it running until Ctrl-C",
		Long: `Start a local cluster and keep it running until Ctrl-C.

A cluster that exists starts without servers that are broken, as long as a majority of its
agents, a DB server and a coordinator run; the broken ones are named, with the reason. A server that ends
does not end the others. The exit status is 1 if at the end a server does not run because it
has failed. One that was killed (SIGKILL) has not failed; one that ended in another way before
Ctrl-C, also after a SIGTERM, has.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd, o) },
	}
	o.rules.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "keep the cluster in this `directory` and come back with the same one (default: a temporary directory, gone afterwards)")
	f.StringVar(&o.mode, "mode", "inprocess", "run in `mode` inprocess (all roles in this process) or processes (each a process of its own that can be killed)")
	f.IntVar(&o.agents, "agents", 3, "number of agents")
	f.IntVar(&o.dbservers, "dbservers", 3, "number of DB servers")
	f.IntVar(&o.coordinators, "coordinators", 2, "number of coordinators")
	f.IntVar(&o.basePort, "base-port", 8529, "`port` of the first coordinator; DB servers follow from +100, agents from +200; 0: free ports, chosen once")
	f.StringVar(&o.readyFile, "ready-file", "", "once all is healthy, write ids, URLs and process ids to this `file` as JSON")
	f.StringVar(&o.logLevel, "log-level", "error", "trace, debug, info, warn or error (inprocess; processes log to files in the directory)")
	f.BoolVar(&o.restart, "restart", false, "start a server again that has ended or cannot be started: after 1 s, then after pauses that grow to 1 min. One that ended with status 0, as after a SIGTERM, stays down. In process a server that fails is started again, but a crash of this process ends all")
	o.logs.addFlags(cmd)
	o.pages.addFlags(cmd)
	return cmd
}

func singleCommand() *cobra.Command {
	o := upOptions{mode: "inprocess", agents: 1, dbservers: 1, coordinators: 1}
	cmd := &cobra.Command{
		Use:   "single",
		Short: "Run one agent, one DB server and one coordinator in one process",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runUp(cmd, o) },
	}
	o.rules.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "data `directory` (default: a temporary one, gone afterwards)")
	f.IntVar(&o.basePort, "port", 8529, "`port` to serve on, with +100 and +200 for DB server and agent; 0: free ones")
	f.StringVar(&o.readyFile, "ready-file", "", "once all is healthy, write ids, URLs and process ids to this `file` as JSON")
	f.StringVar(&o.logLevel, "log-level", "error", "trace, debug, info, warn or error")
	o.pages.addFlags(cmd)
	return cmd
}

// cluster turns the options into those of the mini-cluster, on the directory dir.
func (o upOptions) cluster(dir string, errOut io.Writer) (minicluster.Options, error) {
	level := hclog.LevelFromString(o.logLevel)
	if level == hclog.NoLevel {
		return minicluster.Options{}, fmt.Errorf("--log-level %q: want trace, debug, info, warn or error", o.logLevel)
	}
	if _, err := o.logs.parse(); err != nil {
		return minicluster.Options{}, err
	}
	remotes, err := o.rules.open(errOut) // also for processes: what is wrong is said at once
	if err != nil {
		return minicluster.Options{}, err
	}
	if _, err := o.pages.parse(); err != nil {
		return minicluster.Options{}, err
	}
	opts := minicluster.Options{
		Dir: dir, Agents: o.agents, DBServers: o.dbservers, Coordinators: o.coordinators, BasePort: o.basePort,
		Logger:   hclog.New(&hclog.LoggerOptions{Level: level, Output: errOut}),
		Pages:    minicluster.Pages{TrustedOrigins: o.pages.origins, Hosts: o.pages.hosts},
		Degraded: o.degraded, Revive: o.restart,
	}
	switch o.mode {
	case "inprocess":
		opts.Mode, opts.Seams.Remotes = minicluster.InProcess, remotes
		if flag := o.logs.set(); flag != "" {
			return opts, fmt.Errorf("--%s is about the log files of --mode processes: in process the log goes to standard error", flag)
		}
	case "processes":
		binary, err := os.Executable()
		if err != nil {
			return opts, fmt.Errorf("finding this program to start the roles with: %w", err)
		}
		opts.Mode = minicluster.Processes
		opts.Program = minicluster.Program{Path: binary, Flags: o.logs.arguments(), DBServerFlags: o.rules.arguments()}
	default:
		return opts, fmt.Errorf("--mode %q: want inprocess or processes", o.mode)
	}
	return opts, nil
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

func runUp(cmd *cobra.Command, o upOptions) (err error) {
	outside, _ := engineMemory()
	boundMemory(outside)
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	dir, remove, err := clusterDir(o.dir, "stasis-up-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if cmd.Name() == "up" {
		if err := o.remember(dir, cmd.Flags().Changed); err != nil {
			return err
		}
	}
	opts, err := o.cluster(dir, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if o.readyFile != "" { // one of an earlier run would say that this one is ready
		if err := clearReady(o.readyFile); err != nil {
			return err
		}
	}
	began := time.Now()
	c, err := minicluster.Start(ctx, opts)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; stop what is there, or choose other ports with --%s", err, portFlag(cmd))
	}
	if err != nil {
		return explain(err)
	}
	defer func() {
		if serr := stopCluster(ctx, c); err == nil { // else it would be told twice
			err = serr
		}
	}()
	if err := c.Ready(ctx); err != nil { // it says what is missing, also when it was interrupted
		return err
	}
	printTopology(out, c)
	fmt.Fprintf(out, "\nReady after %.1f s. Data in %s", time.Since(began).Seconds(), dir)
	if o.dir == "" {
		fmt.Fprint(out, " (temporary: gone after Ctrl-C; --dir keeps it)")
	}
	fmt.Fprintln(out, ".\nCtrl-C stops everything.")
	ready := func() error { return nil }
	if o.readyFile != "" {
		ready = func() error { return writeReady(o.readyFile, c, opts.Mode) }
		defer func() { err = errors.Join(err, removeIfThere(o.readyFile)) }()
	}
	if err := ready(); err != nil {
		return err
	}
	w := upWatcher{cluster: c, out: out, errOut: cmd.ErrOrStderr(), alone: !o.degraded, revives: o.restart, changed: ready}
	return w.run(ctx)
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
