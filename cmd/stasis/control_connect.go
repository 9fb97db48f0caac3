package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/fault/control"
	"stasis/internal/network"
)

// controlOptions say which cluster to break.
type controlOptions struct {
	dir     string
	ready   string
	url     string
	json    bool
	timeout time.Duration
}

func (o *controlOptions) addFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&o.dir, "dir", "", "`directory` of the cluster (default: that of the only \"stasis up\" that runs as this user)")
	f.StringVar(&o.ready, "ready-file", "", "`file` that \"stasis up --ready-file\" has written, instead of --dir")
	f.StringVar(&o.url, "endpoint", "", "`URL` of a coordinator of the cluster, on this machine, instead of --dir")
	f.BoolVar(&o.json, "json", false, "print as JSON")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "`time` to wait for the cluster's answer")
}

// connect connects to the cluster that the options name, or to the only one.
func (o *controlOptions) connect(ctx context.Context) (*control.Client, error) {
	dir, id, err := o.directory(ctx)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	c, err := control.Dial(ctx, filepath.Join(dir, control.ClusterName))
	if err != nil && notServed(err) {
		return nil, fmt.Errorf("no \"stasis up\" runs the cluster in %[1]s: \"stasis up --dir %[1]s\" starts it", dir)
	}
	if err == nil && id != "" {
		if err = hasServer(ctx, c, id); err != nil {
			c.Close()
			return nil, fmt.Errorf("%s: %w", o.named(), err)
		}
	}
	return c, err
}

// named is how the cluster was, if one of its servers is known by it.
func (o *controlOptions) named() string {
	if o.ready != "" {
		return "--ready-file " + o.ready
	}
	return "--endpoint " + o.url
}

// hasServer is an error if a server is of another cluster. A coordinator on another machine may name a directory in which a
// cluster of this machine is, and so may a ready file of an earlier cluster.
func hasServer(ctx context.Context, c *control.Client, id string) error {
	a, err := c.Do(ctx, control.Order{Do: control.NodeList})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(a.Nodes, func(n control.Node) bool { return n.ID == id }) {
		return fmt.Errorf("its server %s is none of the cluster in %s on this machine", id, c.Hello().Dir)
	}
	return nil
}

// directory is that of the cluster; with --endpoint and --ready-file id is a server that is in it.
func (o *controlOptions) directory(ctx context.Context) (dir, id string, err error) {
	given := 0
	for _, way := range []string{o.dir, o.ready, o.url} {
		if way != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return "", "", errors.New("--dir, --ready-file and --endpoint each name a cluster: give one of them")
	case o.ready != "":
		return readyDir(o.ready)
	case o.url != "":
		return endpointDir(ctx, o.url)
	case o.dir != "":
		return o.dir, "", nil
	}
	dir, err = chooseCluster(ctx)
	return dir, "", err
}

// readyDir is the directory of the cluster that a ready file is of, and one of its servers.
func readyDir(path string) (dir, server string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("--ready-file: %w", err)
	}
	var ready map[string][]control.Node
	if err := json.Unmarshal(raw, &ready); err != nil {
		return "", "", fmt.Errorf("--ready-file %s: it is not what \"stasis up --ready-file\" writes: %w", path, err)
	}
	for _, role := range slices.Sorted(maps.Keys(ready)) {
		for _, n := range ready[role] {
			if n.Dir != "" {
				return filepath.Dir(n.Dir), n.ID, nil
			}
		}
	}
	return "", "", fmt.Errorf("--ready-file %s: it has no directory of a server", path)
}

// endpointDir is the directory of the cluster of a coordinator: the one that its servers' directories are in, and one of these servers.
func endpointDir(ctx context.Context, url string) (dir, server string, err error) {
	c, err := client.New(url, client.Options{HTTP: network.NewHTTPClient(network.TCP())})
	if err != nil {
		return "", "", fmt.Errorf("--endpoint: %w", err)
	}
	s, err := c.Status(ctx)
	if err != nil {
		return "", "", fmt.Errorf("--endpoint %s: %w", url, err)
	}
	for _, group := range []map[string]client.Server{s.Coordinators, s.DBServers} {
		for _, id := range slices.Sorted(maps.Keys(group)) {
			if dir := group[id].Dir; dir != "" {
				return filepath.Dir(dir), id, nil
			}
		}
	}
	return "", "", fmt.Errorf("--endpoint %s: its servers do not say in which directories they are: name the cluster's with --dir", url)
}
