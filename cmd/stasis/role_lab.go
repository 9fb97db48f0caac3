package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// labOptions are the flags of a server that takes faults.
type labOptions struct {
	on    bool
	hosts []string // NAME=HOST:PORT
	lab   *roleLab // made when the role starts; nil without --lab
}

func (o *labOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.on, "lab", false, "take faults: its user can break this server's network and disk, and hold its operations, over the socket "+control.SocketName+" in the data directory. For fault injection only")
	f.StringSliceVar(&o.hosts, "lab-hosts", nil, "with --lab: `NAME=HOST:PORT` of other servers, for rules about the network that name them")
}

// roleLab is what of this server can be broken. The methods of a nil one give what is real.
type roleLab struct {
	name   string
	net    *fault.Network
	disk   *fault.Disk
	steps  control.Steps
	clock  fault.WallClock
	delays control.Delays
	path   string          // of the socket
	serve  func() error    // serves it
	socket *control.Server // nil: it is not served yet
}

// open makes what can be broken. The socket is served as soon as the server has locked its data directory: before, the directory may be
// another server's, or no server's, and after that no event is missed.
func (o *labOptions) open(ctx context.Context, dir, name string) error {
	if !o.on {
		if len(o.hosts) > 0 {
			return errors.New("--lab-hosts needs --lab")
		}
		return nil
	}
	hosts, err := parseHosts(o.hosts)
	if err != nil {
		return err
	}
	l := &roleLab{name: name, path: filepath.Join(dir, control.SocketName), disk: fault.WrapDisk(vfs.Default), net: fault.NewNetworkOver(network.TCP(), func(address string) string {
		if name := hosts[address]; name != "" {
			return name
		}
		return address // a rule can name it so
	})}
	faults := control.NewFaults(control.Parts{
		Names: func() []string { return []string{name} }, ID: func() string { return ownerOf(dir) }, Network: l.net, Steps: &l.steps, Disk: func(string) *fault.Disk { return l.disk },
		Message: func(m fault.Message) (control.Ending, error) { return message(l.net, m) },
		Latency: latencyOf(l.net),
		Clock:   func(_ string, by time.Duration) error { l.clock.Skew(by); return nil },
		Clocked: func(string) int { return l.clock.Met() },
		Random:  l.delays.Set, Delayed: l.delays.Met,
	})
	l.serve = func() (err error) {
		if l.socket, err = control.Serve(ctx, l.path, faults); err != nil {
			return fmt.Errorf("--lab: %w", err)
		}
		return nil
	}
	o.lab = l
	return nil
}

// ownerOf is the id of the server that a data directory belongs to, "" while that is not known.
func ownerOf(dir string) string {
	id, err := datadir.Owner(vfs.Default, dir)
	if err != nil {
		return "" // the server itself says what is wrong with it
	}
	return id
}

// message makes a rule about messages.
func message(net *fault.Network, m fault.Message) (control.Ending, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	return net.Message(m), nil
}

// latencyOf sets the latency of one link, or of all.
func latencyOf(net *fault.Network) func(control.Order) {
	return func(o control.Order) {
		if o.From == "" && o.To == "" {
			net.Latency(o.By, o.By+o.Jitter, o.Seed)
			return
		}
		net.LinkLatency(o.From, o.To, o.By, o.By+o.Jitter, o.Seed)
	}
}

// warn says loudly what this server is.
func (l *roleLab) warn(logger hclog.Logger, errOut io.Writer, listen string) {
	if l == nil {
		return
	}
	logger.Warn("THIS SERVER TAKES FAULTS (--lab): its user can break its network and disk", "socket", l.path)
	fmt.Fprintf(errOut, "stasis: THIS SERVER TAKES FAULTS (--lab): its user can break its network and disk over %s\n", l.path)
	if host, _, err := net.SplitHostPort(listen); err == nil && !loopback(host) {
		fmt.Fprintf(errOut, "stasis: AND OTHER MACHINES REACH IT: it listens on %s. --lab is for fault injection; a server whose data matters runs without it\n", listen)
	}
}

// loopback reports whether only this machine reaches a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// close ends the socket and all that is held or hangs, so that the server can be stopped.
func (l *roleLab) close() error {
	if l == nil {
		return nil
	}
	var err error
	if l.socket != nil {
		err = l.socket.Close() // no order comes after it
	}
	l.heal()
	return err
}

// heal takes all faults back. A server that is told to end may be at its start, in a call to a disk that hangs.
func (l *roleLab) heal() {
	if l != nil {
		l.disk.HealAll()
		l.net.HealAll()
		_ = l.delays.Set(control.Random{}) // to have none is no error
	}
}

// end closes the network, when the server has ended.
func (l *roleLab) end() error {
	if l == nil {
		return nil
	}
	return l.net.Close()
}

func (l *roleLab) network() network.Network {
	if l == nil {
		return network.TCP()
	}
	return l.net.Host(l.name)
}

// fs is the file system of the server; nil: the real one.
func (l *roleLab) fs() vfs.FS {
	if l == nil {
		return nil
	}
	return &labFS{FS: l.disk.FS(), lab: l}
}

// labFS is the disk of a server that takes faults.
type labFS struct {
	vfs.FS
	lab  *roleLab
	once sync.Once
}

// Lock serves the socket when the server has locked its data directory, which is the first thing that it does with its disk.
func (f *labFS) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	f.once.Do(func() { err = f.lab.serve() })
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// wall is the wall clock of the server; nil: the system's.
func (l *roleLab) wall() func() time.Time {
	if l == nil {
		return nil
	}
	return l.clock.Now
}

func (l *roleLab) sink() event.Sink {
	if l == nil {
		return nil
	}
	return l.steps.Sink
}

// parseHosts gives names by address.
func parseHosts(list []string) (map[string]string, error) {
	hosts := map[string]string{}
	for _, h := range list {
		name, address, ok := strings.Cut(h, "=")
		if !ok || name == "" || address == "" {
			return nil, fmt.Errorf("--lab-hosts %q: want NAME=HOST:PORT", h)
		}
		hosts[address] = name
	}
	return hosts, nil
}

// goodName is what a server may be called.
var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// nameFlag adds the name of a server.
func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", "`name` by which commands find this server, as stasis up gives them: dbserver-1. Lower case letters, digits, dots, dashes; no other server of the cluster has it")
}

func checkName(name string) error {
	if name != "" && !goodName.MatchString(name) {
		return fmt.Errorf("--name %q: want up to 63 lower case letters, digits, dots, dashes and underscores, beginning with a letter or digit", name)
	}
	return nil
}
