package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/fault/control"
)

func diskCommand() *cobra.Command {
	o := &controlOptions{}
	cmd := &cobra.Command{
		Use:   "disk",
		Short: "Make disks of a running \"stasis up --lab\" hang, slow, full, or fail",
		Long: `Make disks of a running "stasis up --lab" hang, slow, full, or fail.

Faults last until they are healed, or until the server is killed, stopped or restarted.
Calls to a disk are ` + strings.Join(control.Kinds(), ", ") + `;
"changes" are all that change something, which is the default. "disk list" shows how many
calls each fault has concerned.`,
		Example: `  stasis disk hang dbserver-1
  stasis disk fail agent-2 --calls sync --error EIO --after 10
  stasis disk heal`,
	}
	o.addFlags(cmd)
	return flags.Group(cmd, diskHang(o), diskSlow(o), diskFail(o), diskFill(o),
		&cobra.Command{
			Use: "heal [NAME]", Short: "End the faults of one disk, or of all", Args: flags.Arguments(cobra.MaximumNArgs(1)),
			RunE: o.runLab(healDisk),
		},
		&cobra.Command{
			Use: "list", Short: "Show the faults that disks have", Args: flags.NoArguments,
			RunE: o.runLab(func(ctx context.Context, c *controlled, _ []string) error {
				return c.rules(ctx, "no faults: the disks are as they are", control.Rule.OfDisk)
			}),
		})
}

// diskFault makes a command that gives a disk a fault. order makes the order of the arguments behind the name.
func diskFault(o *controlOptions, sub *cobra.Command, extra int, order func(args []string) (control.Order, string, error)) *cobra.Command {
	calls := &control.Calls{}
	f := sub.Flags()
	if !strings.HasPrefix(sub.Use, "fill") {
		f.StringSliceVar(&calls.Kinds, "calls", nil, "`kinds` of calls, separated by commas: "+strings.Join(control.Kinds(), ", "))
	}
	f.StringVar(&calls.Path, "path", "", "only calls with this `text` in their path")
	f.IntVar(&calls.After, "after", 0, "`number` of calls that pass first")
	sub.Args = flags.Arguments(cobra.ExactArgs(1 + extra))
	sub.RunE = func(cmd *cobra.Command, args []string) error {
		fault, text, err := order(args[1:])
		if err == nil {
			err = calls.Check()
		}
		if err != nil {
			return err
		}
		return o.runLab(func(ctx context.Context, c *controlled, args []string) error {
			names, err := c.named(ctx, args[0])
			if err != nil {
				return err
			}
			fault.Server, fault.Calls = names[0], calls
			return c.order(ctx, fmt.Sprintf("the disk of %s %s", names[0], text), fault)
		})(cmd, args)
	}
	return sub
}

func diskHang(o *controlOptions) *cobra.Command {
	return diskFault(o, &cobra.Command{Use: "hang NAME", Short: "Make calls to a disk wait until it is healed"}, 0, func([]string) (control.Order, string, error) {
		return control.Order{Do: control.DiskHang}, "hangs", nil
	})
}

func diskSlow(o *controlOptions) *cobra.Command {
	return diskFault(o, &cobra.Command{Use: "slow NAME TIME", Short: "Make each call to a disk take so much longer"}, 1, func(args []string) (control.Order, string, error) {
		by, err := time.ParseDuration(args[0])
		if err != nil || by <= 0 {
			return control.Order{}, "", fmt.Errorf("slow %q: want a time with its unit, such as 50ms or 2s", args[0])
		}
		return control.Order{Do: control.DiskSlow, By: by}, "takes " + by.String() + " longer for each call", nil
	})
}

func diskFail(o *controlOptions) *cobra.Command {
	failure := ""
	sub := diskFault(o, &cobra.Command{Use: "fail NAME", Short: "Make calls to a disk fail"}, 0, func([]string) (control.Order, string, error) {
		if !slices.Contains(control.Errors(), failure) {
			return control.Order{}, "", fmt.Errorf("--error %q: want %s", failure, strings.Join(control.Errors(), ", "))
		}
		return control.Order{Do: control.DiskFail, Error: failure}, "fails with " + failure, nil
	})
	sub.Flags().StringVar(&failure, "error", "EIO", "`error` with which calls fail: "+strings.Join(control.Errors(), ", "))
	return sub
}

func diskFill(o *controlOptions) *cobra.Command {
	var room int64
	sub := diskFault(o, &cobra.Command{Use: "fill NAME", Short: "Make a disk full"}, 0, func([]string) (control.Order, string, error) {
		if room < 0 {
			return control.Order{}, "", fmt.Errorf("--bytes %d: want 0 or more", room)
		}
		return control.Order{Do: control.DiskFill, Bytes: room}, fmt.Sprintf("is full but for %d bytes", room), nil
	})
	sub.Flags().Int64Var(&room, "bytes", 0, "`number` of bytes that still fit")
	return sub
}

func healDisk(ctx context.Context, c *controlled, args []string) error {
	if len(args) == 0 {
		return c.heal(ctx, "disks", control.Rule.OfDisk)
	}
	names, err := c.named(ctx, args[0])
	if err != nil {
		return err
	}
	return c.heal(ctx, "the disk of "+names[0], func(r control.Rule) bool { return r.OfDisk() && r.Server == names[0] })
}
