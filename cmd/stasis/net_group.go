package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/fault/control"
	"stasis/lab/scenario"
)

func netCommand() *cobra.Command {
	o := &controlOptions{}
	cmd := &cobra.Command{
		Use:   "net",
		Short: "Break the network between the servers of a running \"stasis up --lab\"",
		Long: `Cut, freeze, delay and throttle the network between the servers of a running "stasis up --lab",
and lose, duplicate, delay and reorder the messages on it.

A rule lasts until it is healed, also when the command that made it is over. One that a
server has ends when the server's process does: after "node restart" make it again. The connections
of clients are not concerned.

"net list" shows how often each rule was met: the pieces of connections that it held back,
delayed or slowed down. A rule with 0 has done nothing yet.`,
		Example: `  stasis net cut dbserver-1 coordinator-1
  stasis net delay agent-1 agent-2 50ms
  stasis net list
  stasis net heal`,
	}
	o.addFlags(cmd)
	return flags.Group(cmd, append(o.linkCommands(), messageCommand(o),
		&cobra.Command{
			Use: "isolate NAME", Short: "Cut a server off from all others", Args: flags.Arguments(cobra.ExactArgs(1)),
			RunE: o.runLab(func(ctx context.Context, c *controlled, args []string) error {
				names, err := c.named(ctx, args[0])
				if err != nil {
					return err
				}
				return c.order(ctx, names[0]+": isolated from all other servers", control.Order{Do: control.NetIsolate, Server: names[0]})
			}),
		},
		&cobra.Command{
			Use: "heal [A [B]]", Short: "Take back all rules of the network, those of one server, or those between two",
			Args: flags.Arguments(cobra.MaximumNArgs(2)),
			RunE: o.runLab(healNetwork),
		},
		&cobra.Command{
			Use: "list", Short: "Show the rules of the network that are in force", Args: flags.NoArguments,
			RunE: o.runLab(func(ctx context.Context, c *controlled, _ []string) error {
				return c.rules(ctx, "no rules: the network is as it is", control.Rule.OfNetwork)
			}),
		},
	)...)
}

// linkCommand makes a command that gives a rule to a link. do makes the order of the arguments behind the names.
func (o *controlOptions) linkCommand(sub *cobra.Command, extra int, do func(args []string) (control.Order, string, error)) *cobra.Command {
	oneWay := false
	sub.Args = flags.Arguments(cobra.ExactArgs(2 + extra))
	sub.RunE = func(cmd *cobra.Command, args []string) error {
		order, text, err := do(args[2:])
		if err != nil {
			return err
		}
		return o.runLab(func(ctx context.Context, c *controlled, args []string) error {
			return c.link(ctx, order, text, args[:2], oneWay)
		})(cmd, args)
	}
	sub.Flags().BoolVar(&oneWay, "one-way", false, "only what A sends to B")
	return sub
}

// linkCommands are those about the link of two servers.
func (o *controlOptions) linkCommands() []*cobra.Command {
	plain := func(do control.Verb, text string) func([]string) (control.Order, string, error) {
		return func([]string) (control.Order, string, error) { return control.Order{Do: do}, text, nil }
	}
	return []*cobra.Command{
		o.linkCommand(&cobra.Command{
			Use: "cut A B", Short: "Let nothing through between two servers",
			Long: "Let nothing through between two servers. What they send waits until the link is healed.",
		}, 0, plain(control.NetCut, "cut")),
		o.linkCommand(&cobra.Command{
			Use: "freeze A B", Short: "Make two servers hear nothing of each other without a loss",
			Long: `Make two servers hear nothing of each other without a loss, as a stuck proxy does: connections can be made, and what is sent waits
until the link is healed.`,
		}, 0, plain(control.NetFreeze, "frozen")),
		o.linkCommand(&cobra.Command{
			Use: "delay A B TIME", Short: "Make what two servers send to each other arrive later",
			Long: "Make what two servers send to each other arrive later: delay agent-1 agent-2 50ms. 0s takes it back.",
		}, 1, delayOrder),
		o.linkCommand(&cobra.Command{
			Use: "throttle A B BYTES", Short: "Limit a link to so many bytes a second",
			Long: "Limit a link to so many bytes a second in each direction: 10000, 64KiB, 1MB. 0 takes it back.",
		}, 1, throttleOrder),
		o.linkCommand(&cobra.Command{
			Use: "drop A B", Short: "Lose what two servers have sent to each other and that has not arrived",
			Long: `Lose for good what two servers have sent to each other and has not arrived, and all that they send over the connections
that they have now. Neither is told. New connections work. Cut the link first, and there is something to lose.`,
		}, 0, plain(control.NetDrop, "what was on its way is lost")),
		{
			Use: "reset A B", Short: "Break the connections between two servers", Args: flags.Arguments(cobra.ExactArgs(2)),
			Long: "Break the connections between two servers: both see \"connection reset by peer\". New ones can be made.",
			RunE: o.runLab(func(ctx context.Context, c *controlled, args []string) error {
				return c.link(ctx, control.Order{Do: control.NetReset}, "connections broken", args, false)
			}),
		},
	}
}

func delayOrder(args []string) (control.Order, string, error) {
	by, err := time.ParseDuration(args[0])
	if err != nil || by < 0 {
		return control.Order{}, "", fmt.Errorf("delay %q: want a time with its unit, such as 50ms or 2s", args[0])
	}
	text := "delayed by " + by.String()
	if by == 0 {
		text = "not delayed any more"
	}
	return control.Order{Do: control.NetDelay, By: by}, text, nil
}

func throttleOrder(args []string) (control.Order, string, error) {
	rate, ok := byteRate(args[0])
	if !ok {
		return control.Order{}, "", fmt.Errorf("throttle %q: want a number of bytes a second, such as 10000 or 64KiB", args[0])
	}
	text := fmt.Sprintf("limited to %d bytes/s", rate)
	if rate == 0 {
		text = "not limited any more"
	}
	return control.Order{Do: control.NetThrottle, Rate: rate}, text, nil
}

// byteRate reads a number of bytes, or an amount as scenarios have it.
func byteRate(text string) (rate int64, ok bool) {
	if rate, err := strconv.ParseInt(text, 10, 64); err == nil {
		return rate, rate >= 0
	}
	return scenario.Amount(text)
}

// link gives a rule to one direction of a link, or to both.
func (c *controlled) link(ctx context.Context, o control.Order, what string, names []string, oneWay bool) error {
	names, err := c.named(ctx, names...)
	if err != nil {
		return err
	}
	if names[0] == names[1] {
		return fmt.Errorf("%s and itself: a rule needs two servers", names[0])
	}
	o.From, o.To = names[0], names[1]
	if oneWay {
		return c.order(ctx, fmt.Sprintf("%s -> %s: %s", o.From, o.To, what), o)
	}
	o.Both = true // one step: two commands at once about one link are not to win in one direction each
	return c.order(ctx, fmt.Sprintf("%s <-> %s: %s", o.From, o.To, what), o)
}

func healNetwork(ctx context.Context, c *controlled, args []string) error {
	if len(args) == 0 {
		return c.heal(ctx, "network", control.Rule.OfNetwork)
	}
	names, err := c.named(ctx, args...)
	if err != nil {
		return err
	}
	if len(names) == 1 {
		return c.heal(ctx, names[0], func(r control.Rule) bool {
			return r.OfNetwork() && slices.Contains([]string{r.From, r.To, r.Server}, names[0])
		})
	}
	return c.heal(ctx, names[0]+" <-> "+names[1], func(r control.Rule) bool {
		return r.OfNetwork() && (r.From == names[0] && r.To == names[1] || r.From == names[1] && r.To == names[0])
	})
}
