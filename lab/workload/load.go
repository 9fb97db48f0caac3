package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"stasis/client"
	"stasis/internal/wait"
	"stasis/lab/history"
)

// load is a workload: what its kind does, on a collection of its own.
type load struct {
	site
	asked Spec // as it was given
	kind  kind
	lives []int // how many each client has begun; clients that run use their own only
}

// setup is what the note about a Setup has.
type setup struct {
	Spec       Spec   `json:"spec"`
	Collection string `json:"collection"`
}

// Spec is what was asked for, with the defaults.
func (l *load) Spec() Spec { return l.spec }

// Setup makes the collection, under the first name that is free, and what is in it from the beginning.
func (l *load) Setup(ctx context.Context, clients []*client.Client) error {
	if l.collection != "" {
		return fmt.Errorf("workload %s: it has been set up", l.spec.Name)
	}
	if len(clients) == 0 {
		return fmt.Errorf("workload %s: it has no client of a coordinator", l.spec.Name)
	}
	if err := l.suits(ctx, clients[0]); err != nil {
		return fmt.Errorf("workload %s: %w", l.spec.Name, err)
	}
	if err := l.create(ctx, clients[0]); err != nil {
		return fmt.Errorf("workload %s: create its collection: %w", l.spec.Name, err)
	}
	if err := l.note(history.Setup, setup{l.spec, l.collection}, nil); err != nil {
		return err
	}
	s := l.session(clients, l.spec.Clients, time.Minute) // a client more than those that run
	for {
		err := l.kind.open(ctx, s)
		if !errors.Is(err, errUnknown) {
			if err != nil {
				err = fmt.Errorf("workload %s: set up: %w", l.spec.Name, err)
			}
			return err
		}
		if err := wait.For(ctx, afterUnknown); err != nil {
			return err
		}
	}
}

// session begins a life of a client. Processes are numbered so that each belongs to one client for ever.
func (l *load) session(clients []*client.Client, i int, grace time.Duration) *session {
	life := l.lives[i]
	l.lives[i]++
	process := i + life*(l.spec.Clients+1)
	return &session{
		site: &l.site, client: i, process: process, clients: clients, turn: i + life, grace: grace,
		random: rand.New(rand.NewPCG(l.spec.Seed, uint64(process))),
	}
}

// passed counts the lives that operations show.
func (l *load) passed(ops []history.Op) {
	for _, o := range ops {
		if o.Workload == l.label && !o.Note() && o.Process >= 0 {
			client := o.Process % len(l.lives)
			l.lives[client] = max(l.lives[client], o.Process/len(l.lives)+1)
		}
	}
}

// suits compares the layout with the servers that there are. A replication that was not asked for is what there can be.
func (l *load) suits(ctx context.Context, c *client.Client) error {
	status, err := c.Status(ctx)
	if err != nil {
		return fmt.Errorf("count the DB servers: %w", err)
	}
	there := len(status.DBServers)
	if l.spec.Replication > there && l.asked.Replication == 0 {
		l.spec.Replication = max(there, l.spec.WriteConcern)
	}
	if l.spec.Replication > there {
		return fmt.Errorf("replication %d needs as many DB servers, and the cluster has %d: ask for less, or start the cluster with more", l.spec.Replication, there)
	}
	return nil
}

// create creates a collection under the first name that is free: an earlier load may have left its own.
func (l *load) create(ctx context.Context, c *client.Client) error {
	for n := 1; n <= mostClients; n++ {
		label := l.spec.Name
		if n > 1 {
			label = fmt.Sprintf("%s-%d", label, n)
		}
		err := createCollection(ctx, c, "lab-"+label, l.spec)
		if errors.Is(err, client.ErrExists) {
			continue
		}
		if err != nil {
			return err
		}
		l.label, l.collection = label, "lab-"+label
		return nil
	}
	return errors.New("there are too many of earlier loads: drop some of the collections lab-…")
}

// note records something about the workload itself.
func (l *load) note(kind string, value, result any) error {
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	r, err := json.Marshal(result)
	if err != nil {
		return err
	}
	call, err := l.h.Begin(history.Op{Workload: l.label, Kind: kind, Value: v})
	if err != nil {
		return err
	}
	call.End(history.OK, r, nil)
	return l.h.Flush()
}

// Run lets the clients work until ctx ends.
func (l *load) Run(ctx context.Context, clients []*client.Client, grace time.Duration) error {
	if l.collection == "" || len(clients) == 0 {
		return fmt.Errorf("workload %s: it runs after Setup, with a client of a coordinator", l.spec.Name)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, l.spec.Clients)
	var running sync.WaitGroup
	for i := range l.spec.Clients {
		running.Go(func() {
			if errs[i] = l.client(ctx, clients, i, grace); errs[i] != nil {
				stop() // the others need not go on
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// Hurry lets the clients keep their pace for d.
func (l *load) Hurry(d time.Duration) { l.tempo.hurry(d) }

// client lives until ctx ends, again and again.
func (l *load) client(ctx context.Context, clients []*client.Client, i int, grace time.Duration) error {
	for ctx.Err() == nil {
		err := l.kind.live(ctx, l.session(clients, i, grace))
		switch {
		case errors.Is(err, errUnknown):
			_ = wait.For(ctx, afterUnknown) // the loop looks at ctx
		case err != nil:
			return fmt.Errorf("workload %s, client %d: %w", l.label, i, err)
		}
	}
	return nil
}

// afterUnknown is the pause after an outcome that is unknown.
const afterUnknown = 50 * time.Millisecond
