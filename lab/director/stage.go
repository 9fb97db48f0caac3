package director

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"stasis/client"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// stage is what the steps act on.
type stage struct {
	world      world.World
	log        func(string)
	events     *events
	loads      *loads
	history    *history.History
	choice     *chooser
	faults     *faults
	operations *operations

	turns turns
	seed  uint64

	mu      sync.Mutex // held shortly
	holds   map[string][]world.Held
	down    map[string]bool // servers that were killed
	paused  map[string]bool
	frozen  map[string]bool // by the network
	lost    map[string]bool // servers whose disks are empty, until they are started
	removed []string
	late    []error // of faults that had to end by themselves

	disturbed disturbed
	violated  func(check string, line int, text string) // notes what does not hold
}

// draw is the source of what the seed decides about a sentence.
func (s *stage) draw(line int, text string) *rand.Rand {
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, line, text) // never fails
	return rand.New(rand.NewPCG(s.seed, sum.Sum64()))
}

// deed is one action that is done now.
type deed struct {
	scenario.Action
	focus
	record *record // of the fault that it is; nil if it is none
}

// action does what an action of the scenario says.
type action func(ctx context.Context, s *stage, d deed) error

// each does something to each of the servers that argument a names.
func (s *stage) each(ctx context.Context, d deed, do func(server string) error) error {
	all, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return err
	}
	for _, server := range all {
		if err := do(server); err != nil {
			return err
		}
	}
	return nil
}

// clientOf asks a coordinator.
func (s *stage) clientOf(coordinator string) (*client.Client, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(coordinator, "coordinator-"))
	if all := s.world.Clients(); err == nil && n >= 1 && n <= len(all) {
		return all[n-1], nil
	}
	return nil, fmt.Errorf("there is no client for %s", coordinator)
}

// mark notes what is true of a server. It reports whether that is new.
func (s *stage) mark(set map[string]bool, server string, is bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = set[server] != is
	if is {
		set[server] = true
	} else {
		delete(set, server)
	}
	return changed
}

// marked are the servers of a set, sorted.
func (s *stage) marked(set map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(set)
}

// id is the id of the one server that an argument names.
func (s *stage) id(ctx context.Context, d deed, argument string) (string, error) {
	name, err := s.server(ctx, d.Args[argument], d.focus)
	if err != nil {
		return "", err
	}
	return world.IDOf(s.world, name)
}

// labels are the operations that an action names.
func (s *stage) labels(d deed) []string {
	var all []string
	for _, l := range scenario.OperationsIn(d.Args["operations"]) {
		if l != "both" && l != "all" {
			all = append(all, l)
			continue
		}
		for _, o := range s.operations.all {
			all = append(all, o.Label)
		}
	}
	return all
}

// server is the one server that an expression names; "" if there is no expression.
func (s *stage) server(ctx context.Context, text string, f focus) (string, error) {
	if text == "" {
		return "", nil
	}
	all, err := s.choice.servers(ctx, text, f)
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", fmt.Errorf("`%s` are %d servers", text, len(all))
	}
	return all[0], nil
}

// hosts are all servers and the clients.
func (s *stage) hosts() []string {
	all := []string{"client"}
	for _, n := range s.world.Nodes() {
		all = append(all, n.Name)
	}
	return all
}

// heal takes back every fault and resumes what is paused.
func (s *stage) heal() error {
	s.faults.end()
	err := s.world.HealAll()
	for _, server := range s.marked(s.paused) {
		err = errors.Join(err, s.world.Resume(server))
		s.mark(s.paused, server, false)
	}
	for _, server := range s.marked(s.frozen) {
		s.mark(s.frozen, server, false)
	}
	if err == nil {
		s.disturbed.healed()
	}
	return err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lateErr is what went wrong when faults were to end by themselves.
func (s *stage) lateErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.late...)
}
