package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/internal/logfile"
	"stasis/internal/network"
)

// roleOptions are the flags that all three roles share.
type roleOptions struct {
	dir            string
	listen         string
	advertise      string
	logLevel       string
	logFile        string
	logs           flags.Logs
	exitWithParent bool
	pages          flags.Browsers
	browsers       network.Browsers // made of pages when the role starts
	memory         flags.Memory
	http           network.Limits // made of memory when the role starts
	name           string
	labOptions
}

func (o *roleOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "data `directory` (required)")
	f.StringVar(&o.listen, "listen", "", "`HOST:PORT` to listen on (required)")
	f.StringVar(&o.advertise, "advertise", "", "`HOST:PORT` for others to connect to (default: where it listens)")
	f.StringVar(&o.logLevel, "log-level", "info", "`level` of the log: trace, debug, info, warn or error")
	f.StringVar(&o.logFile, "log-file", "", "`file` to which to append the log (default: standard error)")
	o.logs.Add(cmd)
	f.BoolVar(&o.exitWithParent, "exit-with-parent", false, "stop when standard input ends; for a process that starts this one and holds the other end")
	o.pages.Add(cmd)
	o.memory.Add(cmd)
	nameFlag(cmd, &o.name)
	o.labOptions.addFlags(cmd)
	flags.Require(cmd, "dir", "listen")
}

// logger opens the log. The caller closes the file.
func (o *roleOptions) logger(errOut io.Writer) (hclog.Logger, io.Closer, error) {
	level := hclog.LevelFromString(o.logLevel)
	if level == hclog.NoLevel {
		return nil, nil, fmt.Errorf("--log-level %q: want trace, debug, info, warn or error", o.logLevel)
	}
	limits, err := o.logs.Limits()
	if err != nil {
		return nil, nil, err
	}
	out, closer := errOut, io.Closer(io.NopCloser(nil))
	switch flag := o.logs.Given(); {
	case o.logFile != "":
		f, err := logfile.Open(o.logFile, limits)
		if err != nil {
			return nil, nil, fmt.Errorf("log file: %w", err)
		}
		out, closer = f, f
	case flag != "":
		return nil, nil, fmt.Errorf("--%s needs --log-file: a log on standard error is kept by its reader", flag)
	}
	return hclog.New(&hclog.LoggerOptions{Level: level, Output: out, TimeFormat: "2006-01-02T15:04:05.000Z0700"}), closer, nil
}

// server is what the three roles have in common once started.
type server interface {
	URL() string
	Err() <-chan error
	Close(ctx context.Context) error
}

// shutdownLimit bounds a clean stop; what is not done by then is cut off.
const shutdownLimit = 15 * time.Second

// runRole starts a server and serves until a signal, the end of standard input
// (--exit-with-parent), or a fault of the server.
func runRole(cmd *cobra.Command, o *roleOptions, start func(context.Context, hclog.Logger) (server, error)) error {
	err := checkName(o.name)
	if err != nil {
		return err
	}
	if o.browsers, err = o.pages.Browsers(); err != nil {
		return err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil { // others are told where it is
		return fmt.Errorf("--dir: %w", err)
	}
	logger, closer, err := o.logger(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closer.Close()
	if o.http, err = o.memory.Limits(logger); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	if o.exitWithParent {
		go func() { // ends with the process: reading standard input cannot be interrupted
			_, err := io.Copy(io.Discard, cmd.InOrStdin())
			cancel(errors.Join(errParentGone, err))
		}()
	}
	if err := o.open(ctx, o.dir, cmp.Or(o.name, o.listen)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, o.lab.heal)()
	o.lab.warn(logger, cmd.ErrOrStderr(), o.listen)
	s, err := start(ctx, logger)
	if err != nil {
		return errors.Join(notReady(ctx, err), o.lab.close(), o.lab.end())
	}
	logger.Info("ready", "url", s.URL(), "dir", o.dir, "authentication", client.AuthenticationOff)

	var fault error
	select {
	case <-ctx.Done():
		logger.Info("stopping", "because", context.Cause(ctx))
	case fault = <-s.Err():
		logger.Error("stopping after a fault", "error", fault)
	}
	return errors.Join(fault, o.lab.close(), stop(context.WithoutCancel(ctx), s.Close, shutdownLimit), o.lab.end())
}

var errParentGone = errors.New("the process that started this one has ended")
