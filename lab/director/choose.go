package director

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// focus is what a step is about: the operation and the server of its moment.
type focus struct {
	operation *operation
	server    string     // name; "": none
	held      world.Held // of the operation, at the moment; nil: it is held at none
}

// inTime says whether what is done now happens at the moment: the operation is held there. It is not if the operation has gone on by
// itself, or has ended.
func (f focus) inTime() bool {
	if f.held == nil || f.operation != nil && f.operation.state() {
		return false
	}
	select {
	case <-f.held.Over():
		return false
	default:
		return true
	}
}

// chooser finds out which servers an expression means.
type chooser struct {
	world world.World
	some  map[string]string // role → the one that the seed chose
	shard float64           // which shard of a collection the seed chose

	mu    sync.Mutex          // not held over a call
	first map[string]string   // expression → what it meant first
	named map[string][]string // role → what was named last
}

func newChooser(w world.World, random *rand.Rand) *chooser {
	c := &chooser{world: w, some: map[string]string{}, first: map[string]string{}, named: map[string][]string{}}
	for _, role := range []string{"agent", "dbserver", "coordinator"} {
		if all := c.every(role); len(all) > 0 {
			c.some[role] = all[random.IntN(len(all))]
		}
	}
	c.shard = random.Float64()
	return c
}

// every is the names of all servers of a role.
func (c *chooser) every(role string) []string {
	var all []string
	for _, n := range c.world.Nodes() {
		if strings.HasPrefix(n.Name, role+"-") {
			all = append(all, n.Name)
		}
	}
	return all
}

// servers are the names that a list of expressions means now.
func (c *chooser) servers(ctx context.Context, text string, f focus) ([]string, error) {
	all, err := scenario.ParseServers(text)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range all {
		found, err := c.find(ctx, s, f)
		if err != nil {
			return nil, fmt.Errorf("find out which server is `%s`: %w", s.Text, err)
		}
		for _, n := range found {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range names {
		role, _, _ := strings.Cut(n, "-")
		c.named[role] = []string{n}
	}
	return names, nil
}

func (c *chooser) find(ctx context.Context, s scenario.Server, f focus) ([]string, error) {
	verb, role, _ := strings.Cut(s.Form, " ")
	switch {
	case s.Form == "named":
		return []string{s.Of}, nil
	case verb == "some":
		return []string{c.some[role]}, nil
	case verb == "every":
		return c.every(role), nil
	case s.Form == "its coordinator" && f.operation != nil && f.operation.coordinator != "":
		return []string{f.operation.coordinator}, nil
	case s.Form == "its server" && f.server != "":
		return []string{f.server}, nil
	case s.Form == "the agency's leader":
		leader, err := c.agencyLeader(ctx)
		return []string{leader}, err
	case s.Form == "a leading agent":
		leader, err := c.leadingAgent(ctx)
		return []string{leader}, err
	case verb == "another":
		others, err := c.others(ctx, role, f)
		return others[:min(1, len(others))], err
	case strings.HasPrefix(s.Form, "the other "):
		return c.others(ctx, strings.TrimSuffix(strings.TrimPrefix(s.Form, "the other "), "s"), f)
	case strings.HasSuffix(s.Form, "leader"), strings.HasSuffix(s.Form, "follower"):
		name, err := c.replica(ctx, s)
		return []string{name}, err
	}
	return nil, fmt.Errorf("this moment has none")
}

// others are all servers of a role but the one that is meant already.
func (c *chooser) others(ctx context.Context, role string, f focus) ([]string, error) {
	c.mu.Lock()
	but := slices.Clone(c.named[role])
	c.mu.Unlock()
	switch {
	case role == "agent":
		leader, err := c.agencyLeader(ctx)
		if err != nil {
			return nil, err
		}
		but = []string{leader}
	case role == "coordinator" && f.operation != nil && f.operation.coordinator != "":
		but = []string{f.operation.coordinator}
	case role == "dbserver" && strings.HasPrefix(f.server, "dbserver-"):
		but = []string{f.server}
	case len(but) == 0:
		but = []string{c.some[role]}
	}
	return slices.DeleteFunc(c.every(role), func(n string) bool { return slices.Contains(but, n) }), nil
}

// ask asks one coordinator after the other until one answers.
func (c *chooser) ask(ctx context.Context, question func(context.Context, *client.Client) error) error {
	var err error
	for _, cl := range c.world.Clients() {
		bounded, cancel := context.WithTimeout(ctx, callLimit/3)
		err = question(bounded, cl)
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}

func (c *chooser) agencyLeader(ctx context.Context) (string, error) {
	var leader string
	err := c.ask(ctx, func(ctx context.Context, cl *client.Client) error {
		status, err := cl.Status(ctx)
		if err != nil {
			return err
		}
		for id, a := range status.Agents {
			if a.Leading {
				leader = world.NameOf(c.world, id)
			}
		}
		if leader == "" {
			leader = world.NameOf(c.world, status.Leader)
		}
		if leader == "" {
			return fmt.Errorf("no agent leads")
		}
		return nil
	})
	return leader, err
}

// leadingAgent is the agent that led when it was asked for first.
func (c *chooser) leadingAgent(ctx context.Context) (string, error) {
	const name = "a leading agent"
	c.mu.Lock()
	before := c.first[name]
	c.mu.Unlock()
	if before != "" {
		return before, nil
	}
	leader, err := c.agencyLeader(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first[name] = leader
	return leader, nil
}

// replica is who leads or follows the shard that the seed chose. "a leader" and "a follower" mean in the whole run
// whom they meant first.
func (c *chooser) replica(ctx context.Context, s scenario.Server) (string, error) {
	c.mu.Lock()
	before := c.first[s.Text]
	c.mu.Unlock()
	if before != "" {
		return before, nil
	}
	var shard client.Shard
	err := c.ask(ctx, func(ctx context.Context, cl *client.Client) error {
		all, err := shardsOf(ctx, cl, s.Of)
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("there are no shards")
		}
		if err == nil {
			shard = all[int(c.shard*float64(len(all)))]
		}
		return err
	})
	if err != nil {
		return "", err
	}
	id := shard.Leader
	if strings.HasSuffix(s.Form, "follower") {
		i := slices.IndexFunc(shard.Followers, func(f string) bool { return slices.Contains(shard.InSync, f) })
		if i < 0 {
			return "", fmt.Errorf("shard %s has no follower in sync", shard.Shard)
		}
		id = shard.Followers[i]
	}
	name := world.NameOf(c.world, id)
	if name == "" {
		return "", fmt.Errorf("shard %s is led by %s, which is no server of the world", shard.Shard, id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.HasPrefix(s.Form, "the ") {
		c.first[s.Text] = name
	}
	return name, nil
}

// shardsOf are the shards of the collections that a name means: of a collection, or of a workload, whose
// collections begin with lab-. Without a name all shards are meant.
func shardsOf(ctx context.Context, c *client.Client, name string) ([]client.Shard, error) {
	all, err := c.Shards(ctx, client.ShardsQuery{})
	return slices.DeleteFunc(all, func(s client.Shard) bool {
		named := name == "" || s.Collection == name || s.Collection == "lab-"+name || strings.HasPrefix(s.Collection, "lab-"+name+"-")
		return !named || strings.HasPrefix(s.Collection, "_")
	}), err
}
