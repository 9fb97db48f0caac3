package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/fault/control"
)

func nodeCommand() *cobra.Command {
	o := &controlOptions{}
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List, kill, pause, resume and restart the servers of a running \"stasis up\"",
		Long: `List, kill, pause, resume and restart the servers of a running "stasis up".

A server is named by its name (dbserver-1), its id or its short name. "stasis up" goes
on without one that is killed, and says so. It stays down until "node restart", also
with "up --restart", which starts servers again that ended in another way. Ctrl-C of
"stasis up" ends paused servers, too.`,
		Example: `  stasis node kill dbserver-2
  stasis node restart dbserver-2`,
	}
	o.addFlags(cmd)
	verb := func(do control.Verb, use, short, long, done string) *cobra.Command {
		return &cobra.Command{
			Use: use + " NAME", Short: short, Long: long, Args: flags.Arguments(cobra.ExactArgs(1)),
			RunE: o.run(func(ctx context.Context, c *controlled, args []string) error { return c.node(ctx, do, args[0], done) }),
		}
	}
	return flags.Group(cmd,
		&cobra.Command{
			Use: "list", Short: "Show the servers: names, ids, processes, directories, addresses, states", Args: flags.NoArguments,
			RunE: o.run(func(ctx context.Context, c *controlled, _ []string) error { return c.nodes(ctx) }),
		},
		verb(control.NodeKill, "kill", "Kill a server, as SIGKILL does", `Kill a server, as SIGKILL does. It stays down until it is restarted.

With --mode inprocess the server is cut off from the network and closed. Unlike a process
that is killed it syncs its files.`, "is killed"),
		verb(control.NodePause, "pause", "Stop a server's process where it is, as SIGSTOP does", `Stop a server's process where it is, as SIGSTOP does. Its connections stay open.

Only a process of its own can be paused: start the cluster with --mode processes.`, "is paused"),
		verb(control.NodeResume, "resume", "Let a server go on that was paused", `Let a server go on that was paused.`, "goes on"),
		verb(control.NodeRestart, "restart", "Start a server again, and wait until it serves", `Start a server again that was killed, or stop and start one that runs. The command
returns when the server serves. It has no faults then: rules end with the process.`, "was started and serves"),
	)
}

// node does something to one server.
func (c *controlled) node(ctx context.Context, do control.Verb, name, done string) error {
	a, err := c.Do(ctx, control.Order{Do: do, Server: name})
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(c.out, a)
	}
	for _, n := range a.Nodes {
		fmt.Fprintf(c.out, "%s (%s) %s", n.Name, n.ID, done)
		if n.PID != 0 {
			fmt.Fprintf(c.out, ", process %d", n.PID)
		}
		if a.Note != "" {
			fmt.Fprintf(c.out, " (%s)", a.Note)
		}
		fmt.Fprintln(c.out)
	}
	return nil
}

// nodes lists all servers.
func (c *controlled) nodes(ctx context.Context) error {
	a, err := c.Do(ctx, control.Order{Do: control.NodeList})
	if err != nil {
		return err
	}
	hello := c.Hello()
	if c.json {
		return printJSON(c.out, struct {
			Dir   string         `json:"dir"`
			Mode  string         `json:"mode"`
			Lab   bool           `json:"lab"`
			Nodes []control.Node `json:"nodes"`
		}{hello.Dir, hello.Mode, hello.Lab, a.Nodes})
	}
	faults := "takes no faults: --lab is off"
	if hello.Lab {
		faults = "TAKES FAULTS (--lab)"
	}
	fmt.Fprintf(c.out, "cluster in %s, mode %s, %s\n", hello.Dir, hello.Mode, faults)
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tSHORT NAME\tPID\tPORT\tSTATE\tDIRECTORY")
	for _, n := range a.Nodes {
		short, pid, state := n.ShortName, "-", string(n.State)
		if short == "" {
			short = "-" // agents have none
		}
		if n.PID != 0 {
			pid = fmt.Sprint(n.PID)
		}
		if n.Reason != "" {
			state += ": " + n.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", n.Name, n.ID, short, pid, n.Port, state, n.Dir)
	}
	return w.Flush()
}
