package minicluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
	"stasis/internal/network"
)

const (
	layoutFile   = "cluster.json"
	layoutFormat = 1

	// Free ports are taken from below the range that systems choose the ports of
	// outgoing connections from: a node that restarts must find its port free.
	firstFreePort = 10000
	lastFreePort  = 32000
)

// layout is what cluster.json holds: the part of a cluster that never changes,
// and where its servers listened last.
type layout struct {
	Format       int     `json:"format"`
	Agents       []place `json:"agents"`
	DBServers    []place `json:"dbservers"`
	Coordinators []place `json:"coordinators"`

	old bool // it was read, not made
}

// place is where one server lives. The ids of DB servers and coordinators are in
// their data directories; an agent's is here too, since its peers must know it.
type place struct {
	ID   string `json:"id,omitempty"`
	Port int    `json:"port"`
}

// readLayout gives nil if there is no cluster in dir yet.
func readLayout(dir string) (*layout, error) {
	if dir == "" {
		return nil, nil
	}
	path := filepath.Join(dir, layoutFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's layout: %w", err)
	}
	var l layout
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if l.Format != layoutFormat {
		return nil, fmt.Errorf("%s has format %d, this program reads %d", path, l.Format, layoutFormat)
	}
	return &l, nil
}

// Sizes counts the servers of the cluster in dir. ok is false if there is no cluster.
func Sizes(dir string) (agents, dbservers, coordinators int, ok bool, err error) {
	l, err := readLayout(dir)
	if err != nil || l == nil {
		return 0, 0, 0, false, err
	}
	return len(l.Agents), len(l.DBServers), len(l.Coordinators), true, nil
}

// fit makes the layout one of the sizes asked for: a new cluster's, or a larger
// one. changed is true if there is something to write.
func (l *layout) fit(o Options) (fitted *layout, changed bool, err error) {
	if l == nil {
		l = &layout{Format: layoutFormat}
		for range o.Agents {
			l.Agents = append(l.Agents, place{ID: datadir.Agent.NewID()})
		}
	}
	if len(l.Agents) != o.Agents || len(l.DBServers) > o.DBServers || len(l.Coordinators) > o.Coordinators {
		return nil, false, fmt.Errorf("the cluster in %s was created with %s; %s were asked for (DB servers and coordinators can be added, never removed)",
			o.Dir, sizes(len(l.Agents), len(l.DBServers), len(l.Coordinators)), sizes(o.Agents, o.DBServers, o.Coordinators))
	}
	before, err := json.Marshal(l)
	if err != nil {
		return nil, false, fmt.Errorf("layout: %w", err)
	}
	for len(l.DBServers) < o.DBServers {
		l.DBServers = append(l.DBServers, place{})
	}
	for len(l.Coordinators) < o.Coordinators {
		l.Coordinators = append(l.Coordinators, place{})
	}
	if err := l.choosePorts(o); err != nil {
		return nil, false, err
	}
	after, err := json.Marshal(l)
	if err != nil {
		return nil, false, fmt.Errorf("layout: %w", err)
	}
	return l, !bytes.Equal(before, after), nil
}

func sizes(agents, dbservers, coordinators int) string {
	count := func(n int, one string) string {
		if n != 1 {
			one += "s"
		}
		return strconv.Itoa(n) + " " + one
	}
	return count(agents, "agent") + ", " + count(dbservers, "DB server") + " and " + count(coordinators, "coordinator")
}

// choosePorts gives every server a port: from the base, or the one it had, or a
// free one. On a network of named hosts all ports are free.
func (l *layout) choosePorts(o Options) error {
	base := o.BasePort
	if base == 0 && o.Seams.Network != nil {
		base = firstFreePort
	}
	var held []net.Listener
	err := l.each(func(_ string, role datadir.Role, i int, p *place) error {
		switch {
		case base != 0:
			p.Port = base + roleOffset[role] + i
		case p.Port == 0:
			listener, err := l.freePort(p)
			if err != nil {
				return err
			}
			held = append(held, listener)
		}
		return nil
	})
	for _, h := range held {
		err = errors.Join(err, h.Close())
	}
	return err
}

var roleOffset = map[datadir.Role]int{datadir.Coordinator: 0, datadir.DBServer: perRole, datadir.Agent: 2 * perRole}

// freePort finds a port that is not in use, and holds it.
func (l *layout) freePort(p *place) (net.Listener, error) {
	var last error
	for range 100 {
		port := firstFreePort + rand.IntN(lastFreePort-firstFreePort)
		listener, err := network.TCP().Listen(localAddress(port))
		if err == nil && !l.has(port) {
			p.Port = port
			return listener, nil
		}
		if err == nil {
			err = listener.Close()
		}
		last = err
	}
	return nil, fmt.Errorf("no free port between %d and %d: %w", firstFreePort, lastFreePort, last)
}

func (l *layout) has(port int) bool {
	found := false
	_ = l.each(func(_ string, _ datadir.Role, _ int, p *place) error { // never fails
		found = found || p.Port == port
		return nil
	})
	return found
}

// each calls f for every server in the order of starting.
func (l *layout) each(f func(name string, role datadir.Role, i int, p *place) error) error {
	for _, group := range []struct {
		role   datadir.Role
		places []place
	}{{datadir.Agent, l.Agents}, {datadir.DBServer, l.DBServers}, {datadir.Coordinator, l.Coordinators}} {
		for i := range group.places {
			if err := f(fmt.Sprintf("%s-%d", group.role, i+1), group.role, i, &group.places[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPorts finds out, before anything is started, which servers would not be able to listen.
func (l *layout) checkPorts(o Options) error {
	var taken []string
	var cause error
	err := l.each(func(name string, _ datadir.Role, _ int, p *place) error {
		listener, err := o.Seams.host(name).Listen(o.Seams.address(name, p.Port))
		if err != nil {
			taken, cause = append(taken, fmt.Sprintf("%d (%s)", p.Port, name)), err
			return nil
		}
		return listener.Close()
	})
	if err == nil && len(taken) > 0 {
		err = fmt.Errorf("cannot listen on port %s: %w", strings.Join(taken, ", "), cause)
	}
	return err
}

// write publishes the layout durably.
func (l *layout) write(dir string) error {
	if dir == "" {
		return nil
	}
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	path := filepath.Join(dir, layoutFile)
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the cluster's layout: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err == nil {
		err = datadir.SyncDir(vfs.Default, dir)
	}
	if err != nil {
		return fmt.Errorf("write the cluster's layout: %w", err)
	}
	return nil
}
