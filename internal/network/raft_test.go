package network

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// layer is the seam as Raft wants it.
type layer struct {
	net.Listener
	n Network
}

func (l layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return l.n.DialContext(ctx, "tcp", string(address))
}

// Raft's own transport runs over the seam: calls, pipelines, a snapshot stream.
func testRaftTransport(t *testing.T, w world) {
	serverLayer := w.listen(t)
	server := raft.NewNetworkTransportWithLogger(layer{serverLayer, w.server}, 2, time.Second, hclog.NewNullLogger())
	clientListener, err := w.client.Listen(w.address)
	if err != nil { // on hosts with names
		clientListener, err = w.client.Listen(":0")
	}
	require.NoError(t, err)
	client := raft.NewNetworkTransportWithLogger(layer{clientListener, w.client}, 2, time.Second, hclog.NewNullLogger())
	served := make(chan int, 1)
	go func() {
		bytes := 0
		for range 12 {
			rpc := <-server.Consumer()
			if rpc.Reader != nil {
				n, _ := io.Copy(io.Discard, rpc.Reader)
				bytes += int(n)
				rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, nil)
				continue
			}
			rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
		}
		served <- bytes
	}()

	target := raft.ServerAddress(serverLayer.Addr().String())
	var answer raft.AppendEntriesResponse
	require.NoError(t, client.AppendEntries("s", target, &raft.AppendEntriesRequest{}, &answer))
	require.True(t, answer.Success)
	pipeline, err := client.AppendEntriesPipeline("s", target)
	require.NoError(t, err)
	answers := make(chan error, 10)
	go func() {
		for range cap(answers) {
			answers <- (<-pipeline.Consumer()).Error()
		}
	}()
	for range cap(answers) {
		_, err := pipeline.AppendEntries(&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{})
		require.NoError(t, err)
	}
	for range cap(answers) {
		require.NoError(t, <-answers)
	}
	require.NoError(t, pipeline.Close())
	const size = 1 << 20
	var installed raft.InstallSnapshotResponse
	require.NoError(t, client.InstallSnapshot("s", target, &raft.InstallSnapshotRequest{Size: size}, &installed, io.LimitReader(zeros{}, size)))
	require.True(t, installed.Success)
	require.Equal(t, size, <-served)
	client.CloseStreams()
	require.NoError(t, client.Close())
	require.NoError(t, server.Close())
	server.CloseStreams()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
