package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
)

// oneServer answers as a cluster with one server does.
type oneServer struct{ id string }

func (c oneServer) Handle(_ context.Context, _ *control.Session, o control.Order) (control.Answer, error) {
	switch o.Do {
	case control.HelloVerb:
		hello := control.Self()
		hello.Dir = "/the/cluster"
		return control.Answer{Hello: &hello}, nil
	case control.NodeList:
		return control.Answer{Nodes: []control.Node{{Name: "dbserver-1", ID: c.id}}}, nil
	}
	return control.Answer{}, control.Errorf(control.CannotDo, "it cannot")
}

// A ready file of an earlier cluster may name a directory in which there is another one by now: it is refused, and nothing is broken.
func TestReadyFileOfAnEarlierCluster(t *testing.T) {
	dir := t.TempDir()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	s, err := control.Serve(ctx, filepath.Join(dir, control.ClusterName), oneServer{"PRMR-now"})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	connect := func(id string) error {
		raw, err := json.Marshal(map[string][]control.Node{"dbservers": {{ID: id, Dir: filepath.Join(dir, "dbserver-1")}}})
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "ready.json")
		require.NoError(t, os.WriteFile(file, raw, 0o600))
		c, err := (&controlOptions{ready: file}).connect(ctx)
		if err == nil {
			c.Close()
		}
		return err
	}
	require.NoError(t, connect("PRMR-now"))
	err = connect("PRMR-before")
	require.ErrorContains(t, err, "PRMR-before is none of the cluster in /the/cluster")
	require.ErrorContains(t, err, "--ready-file")
}
