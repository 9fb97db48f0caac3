package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/lab"
	"stasis/lab/runner"
	"stasis/lab/world"
)

// labRun is what the flags of "lab run" say.
type labRun struct {
	world, mode                          string
	options                              lab.Options
	allowVacuous, allowSomeVacuous, json bool
}

func labRunCommand() *cobra.Command {
	var r labRun
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Play scenarios, once or many times, and say what was violated",
		Long: `Play scenarios, once or many times, and say what was violated. SCENARIO is a file, the name
of one that is shipped, "all", for all that are shipped and that the world can play, or
"swarm": topology, load and faults are drawn from the seed then.

Each run is a process of its own. It plays the scenario on a cluster that it starts,
opens each backup from its pieces and judges it, and then the running cluster, also
after a restore. What it draws comes from its seed. Runs differ all the same where
goroutines race: the seed of a violation finds it again often, not always.

With --mode all backups are asked for in that lock mode. With none they hold up no writer. A
torn backup is what is looked for then: it shows that the checks can see one. --power makes
these runs as well, of each scenario that says how often it breaks without locks, and holds
them against that.

Exit status:
  0  all runs have passed
  1  a run is violated or broken, the power was missed, or it was interrupted
  3  nothing is wrong, but a run is vacuous: its fault missed what it aimed at, or no
     operation straddled the backups; or the runs are too few to show the power`,
		Args: flags.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.addFlags(cmd)
	return cmd
}

func (r *labRun) addFlags(cmd *cobra.Command) {
	f, o := cmd.Flags(), &r.options
	f.StringVar(&r.world, "world", string(world.Bubble), "bubble, inprocess or processes: see \"stasis lab worlds\"")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the first run, a `number` from 1 on; the next runs have the numbers after it")
	f.IntVar(&o.Runs, "runs", 1, "runs of each scenario")
	f.IntVar(&o.Total, "total", 0, "in place of --runs: runs of all scenarios together, which take turns")
	f.IntVar(&o.Repeat, "repeat", 1, "make each run so often, and say how often it was the same again")
	f.IntVar(&o.Parallel, "parallel", 0, "runs at once (default: as many as there are processors)")
	f.StringVar(&r.mode, "mode", "", "lock `mode` of all backups: transactions, commits, or none, which holds up no writer (default: that of the servers)")
	f.BoolVar(&o.Power, "power", false, "make runs without locks as well, and hold them against what scenarios say of them")
	f.DurationVar(&o.Timeout, "timeout", runner.DefaultTimeout, "real time that a run may take: it prints its goroutines then")
	f.StringVar(&o.Out, "out", "", "`directory` for what bad runs leave (default: a temporary one)")
	f.BoolVar(&o.Keep, "keep", false, "keep what good runs leave too: verdict, history, events, log")
	f.BoolVar(&r.allowVacuous, "allow-vacuous", false, "exit status 0 although runs are vacuous, unless all are")
	f.BoolVar(&r.allowSomeVacuous, "allow-some-vacuous", false, "exit status 0 although runs are vacuous, unless each run of one scenario is")
	f.BoolVar(&r.json, "json", false, "print JSON")
}

// run plays scenarios and shows what came of it.
func (r *labRun) run(cmd *cobra.Command, names []string) error {
	if err := r.check(cmd); err != nil {
		return err
	}
	scenarios, err := r.scenarios(cmd, names)
	if err != nil {
		return err
	}
	runs, err := lab.Count(scenarios, r.options)
	if err != nil {
		return err
	}
	if err := r.checkPower(scenarios); err != nil {
		return err
	}
	v := labView{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: r.json, runs: runs}
	v.listen(&r.options)
	report, err := lab.Run(cmd.Context(), scenarios, r.options)
	if serr := v.show(report); serr != nil {
		return serr
	}
	if ended(cmd.Context(), err) {
		return fmt.Errorf("interrupted: %d of %d runs were made", len(report.Results), runs)
	}
	if err != nil {
		return err
	}
	return v.judge(report, r.allowVacuous, r.allowSomeVacuous)
}

func (r *labRun) check(cmd *cobra.Command) (err error) {
	o := &r.options
	switch {
	case r.mode != "" && client.LockMode(r.mode).Check() != nil:
		return fmt.Errorf("--mode: %w", client.LockMode(r.mode).Check())
	case r.mode == "none" && o.Power:
		return fmt.Errorf("--mode none and --power: --power makes the runs without locks by itself")
	case o.Seed < 1:
		return fmt.Errorf("--seed %d: want at least 1", o.Seed)
	case o.Runs < 1:
		return fmt.Errorf("--runs %d: want at least 1", o.Runs)
	case o.Seed+uint64(max(o.Runs, o.Total)-1) < o.Seed:
		return fmt.Errorf("--seed %d: there are not so many numbers after it: want a smaller one", o.Seed)
	case cmd.Flags().Changed("total") && o.Total < 1 || o.Total > 0 && cmd.Flags().Changed("runs"):
		return fmt.Errorf("--total %d: want at least 1, and no --runs beside it", o.Total)
	case o.Repeat < 1:
		return fmt.Errorf("--repeat %d: want at least 1", o.Repeat)
	case cmd.Flags().Changed("parallel") && o.Parallel < 1:
		return fmt.Errorf("--parallel %d: want at least 1, or leave it out", o.Parallel)
	case o.Timeout < time.Second:
		return fmt.Errorf("--timeout %v: want at least 1s", o.Timeout)
	}
	if cmd.Flags().Changed("out") && o.Out == "" {
		return errors.New("--out \"\": want a directory, or leave it out")
	}
	o.LockMode = client.LockMode(r.mode)
	if o.World, err = lab.ParseWorld(r.world); err != nil {
		return fmt.Errorf("--world: %w", err)
	}
	o.Program, err = os.Executable()
	return err
}

// checkPower refuses --power if it would do nothing.
func (r *labRun) checkPower(scenarios []lab.Scenario) error {
	if !r.options.Power {
		return nil
	}
	for _, s := range scenarios {
		parsed, err := s.Parse(r.options.Seed)
		if err != nil || parsed.Power != nil {
			return err
		}
	}
	return errors.New("--power: no scenario says how often it breaks without locks: give one a line such as power: {lockMode: none, breaks: \"> 5%\"}")
}

// scenarios are what is to be played. What "all" leaves out is said.
func (r *labRun) scenarios(cmd *cobra.Command, names []string) (all []lab.Scenario, err error) {
	for _, name := range names {
		if name != "all" {
			s, err := lab.Find(name, r.options.World)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
			continue
		}
		shipped, err := lab.All()
		if err != nil {
			return nil, err
		}
		for _, s := range shipped {
			if err := s.Fits(r.options.World); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "left out: %v\n", err)
				continue
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("world %s can play none of them", r.options.World)
	}
	return all, nil
}
