package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stasis/fault/control"
)

// registryDir has a file for each stasis up that runs as this user: named after its process, with the directory of
// its cluster in it.
func registryDir() string { return filepath.Join(os.TempDir(), fmt.Sprintf("stasis-%d", os.Getuid())) }

// ownRegistry makes the registry, or refuses one that another user has made.
func ownRegistry() (string, error) {
	dir := registryDir()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the list of running clusters: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("list of running clusters: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return "", fmt.Errorf("%s is not a directory of this user alone: remove it, or set TMPDIR", dir)
	}
	return dir, nil
}

// enterRegistry notes that this process runs the cluster in dir. leave takes that away.
func enterRegistry(dir string) (leave func() error, err error) {
	registry, err := ownRegistry()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(registry, strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(path, []byte(dir), 0o600); err != nil {
		return nil, fmt.Errorf("enter the list of running clusters: %w", err)
	}
	return func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("leave the list of running clusters: %w", err)
		}
		return nil
	}, nil
}

// runningClusters are the directories of the clusters that run as this user. Entries of processes that were killed
// are removed.
func runningClusters(ctx context.Context) (dirs []string, err error) {
	registry, err := ownRegistry()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(registry)
	if err != nil {
		return nil, fmt.Errorf("list of running clusters: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(registry, e.Name())
		dir, err := os.ReadFile(path)
		if err != nil || len(dir) == 0 {
			continue // it has just ended, or is being written
		}
		c, err := dialSoon(ctx, string(dir))
		switch {
		case err == nil:
			c.Close()
		case notServed(err):
			_ = os.Remove(path) // the next look tries again
			continue
		}
		dirs = append(dirs, string(dir)) // one that does not answer is there all the same
	}
	return dirs, nil
}

// silentAfter is how long a cluster may take to answer that is only counted.
const silentAfter = 5 * time.Second

func dialSoon(ctx context.Context, dir string) (*control.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, silentAfter)
	defer cancel()
	return control.Dial(ctx, filepath.Join(dir, control.ClusterName))
}

// notServed reports whether an error of Dial means that no process serves the socket.
func notServed(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// chooseCluster finds the one cluster that runs.
func chooseCluster(ctx context.Context) (string, error) {
	dirs, err := runningClusters(ctx)
	switch {
	case err != nil:
		return "", err
	case len(dirs) == 0:
		return "", errors.New("no \"stasis up\" runs as this user: start a cluster with it, or name the directory of one with --dir")
	case len(dirs) > 1:
		return "", fmt.Errorf("%d clusters run as this user: name one with --dir: %s", len(dirs), strings.Join(dirs, ", "))
	}
	return dirs[0], nil
}
