package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/fault"
	"stasis/fault/control"
)

// messageFaults are what may happen to messages, by how the command names it.
var messageFaults = map[string]fault.MessageFault{
	"lose-request": fault.LoseRequest, "lose-answer": fault.LoseAnswer, "duplicate": fault.Duplicate, "delay": fault.DelayIt, "reorder": fault.Reorder,
}

// anyServer stands for each server.
const anyServer = "any"

// messageCommand makes the command that gives messages a fault.
func messageCommand(o *controlOptions) *cobra.Command {
	var m fault.Message
	sub := &cobra.Command{
		Use: "message FAULT A B", Short: "Lose, duplicate, delay or reorder what A asks of B", Args: flags.Arguments(cobra.ExactArgs(3)),
		Long: `Lose, duplicate, delay or reorder messages. A message is a request that A sends to B, with its answer, or a call of Raft.
A and B may be "any". The faults:

  lose-request  it never arrives, and A gets no answer
  lose-answer   it is done, and A gets no answer
  duplicate     it arrives twice
  delay         it arrives later, by --by
  reorder       a later one overtakes it; it waits for --by at most (1s)`,
		Example: `  stasis net message lose-answer coordinator-1 dbserver-2 --path "/_stasis/v1/shards/*/documents" --times 1
  stasis net message delay any agent-1 --path raft/AppendEntries --by 200ms`,
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Do = messageFaults[args[0]]
			if m.Do == "" {
				return fmt.Errorf("message %q: want lose-request, lose-answer, duplicate, delay or reorder", args[0])
			}
			if m.Do == fault.DelayIt && m.By == 0 {
				return errors.New("message delay: --by is missing: it says how much later messages arrive")
			}
			if err := givenZero(cmd.Flags(), "by", "times", "every"); err != nil {
				return err
			}
			if m.By < 0 || m.After < 0 || m.Every < 0 || m.Times < 0 {
				return fmt.Errorf("message %s: --by, --after, --every and --times must not be negative", args[0])
			}
			if err := m.Check(); err != nil {
				return err
			}
			return o.runLab(func(ctx context.Context, c *controlled, args []string) error { return c.message(ctx, m, args[1:]) })(cmd, args)
		},
	}
	f := sub.Flags()
	f.StringVar(&m.Path, "path", "", "only messages whose path begins with this `text`; * stands for anything up to the next slash")
	f.DurationVar(&m.By, "by", 0, "`time`: how much later; after how long the connection breaks for who waits for an answer that is lost")
	f.IntVar(&m.After, "after", 0, "`number` of messages that pass first, counted in each server")
	f.IntVar(&m.Every, "every", 0, "`number`: of the others each so many-th")
	f.IntVar(&m.Times, "times", 0, "`number` of messages that are concerned, counted in each server (default: all until it is healed)")
	return sub
}

// message gives messages a fault.
func (c *controlled) message(ctx context.Context, m fault.Message, names []string) error {
	for i, name := range names {
		if name == anyServer {
			names[i] = ""
			continue
		}
		found, err := c.named(ctx, name)
		if err != nil {
			return err
		}
		names[i] = found[0]
	}
	m.From, m.To = names[0], names[1]
	return c.order(ctx, strings.TrimSpace(m.String()), control.Order{Do: control.NetMessage, Message: &m})
}
