package world

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/minicluster"
)

// lookLimit bounds one look at what is left.
const lookLimit = 10 * time.Second

// look is where one look at what is left goes.
type look struct {
	cluster *minicluster.Cluster
	web     *http.Client
	clients []*client.Client
	places  []place
	gates   *gates
}

// left lists what operations on backups have left: on disks, in the agency, in the list of backups, and in memory.
func (l look) left(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var found []string
	for _, p := range l.places {
		names, err := p.leftovers()
		if err != nil {
			return nil, err
		}
		found = append(found, names...)
	}
	inAgency, err := l.inAgency(ctx)
	if err != nil {
		return nil, fmt.Errorf("look into the agency: %w", err)
	}
	listed, err := l.listed(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	return slices.Concat(found, inAgency, listed, l.gates.closed(l.name)), nil
}

// name is what a server with an id is called.
func (l look) name(id string) string {
	for _, n := range nodes(l.cluster) {
		if n.ID == id {
			return n.Name
		}
	}
	return "the former server " + id
}

// inAgency reads the agency, and lists locks, waiters, tombstones, and jobs that are not finished.
func (l look) inAgency(ctx context.Context) ([]string, error) {
	agents, _, _ := l.cluster.Nodes()
	var endpoints []string
	for _, a := range agents {
		endpoints = append(endpoints, a.URL)
	}
	agency := agencyclient.New(agencyclient.Options{Endpoints: endpoints, HTTP: l.web, Logger: hclog.NewNullLogger()})
	root, err := agency.Read(ctx, keys.HotBackup, keys.TargetToDo, keys.TargetPending)
	if err != nil {
		return nil, err
	}
	return agencyLeft(root, slices.DeleteFunc(nodes(l.cluster), func(n minicluster.Node) bool { return n.Removed }))
}

// listed are backups that are listed and cannot be restored.
func (l look) listed(ctx context.Context) ([]string, error) {
	if len(l.clients) == 0 {
		return nil, nil
	}
	list, err := l.clients[0].Backups().List(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, id := range slices.Sorted(maps.Keys(list.List)) {
		if !list.List[id].Available {
			found = append(found, fmt.Sprintf("backup %s is listed and not complete", id))
		}
	}
	return found, nil
}
