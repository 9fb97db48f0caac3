package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// systems are what takes turns, as far as they are wanted.
func systems(o options) []system {
	all := []system{
		{name: base, command: o.etcdMember, leader: etcdLeader, connect: o.overGRPC},
		{name: "etcd-http", command: o.etcdMember, leader: etcdLeader, connect: over(etcdGateway)},
		{name: "stasis", command: o.agent(), leader: agencyLeader, connect: over(agency)},
		{name: "stasis-bolt", command: o.agent("--log-store", "bolt"), leader: agencyLeader, connect: over(agency)},
	}
	return slices.DeleteFunc(all, func(s system) bool {
		return o.only != "" && !slices.Contains(strings.Split(o.only, ","), s.name)
	})
}

// base is what the others are compared with.
const base = "etcd"

func (o options) etcdMember(c *cluster, i int) *exec.Cmd {
	var peers []string
	for j := range members {
		peers = append(peers, fmt.Sprintf("m%d=http://%s", j, c.address(j, 1)))
	}
	client, peer := "http://"+c.address(i, 0), "http://"+c.address(i, 1)
	return exec.Command(o.etcd,
		"--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(c.dir, fmt.Sprintf("m%d", i)),
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", strings.Join(peers, ","), "--initial-cluster-state", "new", "--log-level", "error")
}

// overGRPC spreads the clients over a few connections of etcd's official client.
func (o options) overGRPC(leader string, clients int) (target, error) {
	var conns []*clientv3.Client
	for range min(o.conns, clients) {
		conn, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + leader}, Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
		if err != nil {
			return target{}, fmt.Errorf("connect to etcd: %w", err)
		}
		conns = append(conns, conn)
	}
	return target{
		write: func(ctx context.Context, client int, key, value string) error {
			_, err := conns[client%len(conns)].Put(ctx, "/bench/"+key, value)
			return err
		},
		read: func(ctx context.Context, client int, key string) error {
			_, err := conns[client%len(conns)].Get(ctx, "/bench/"+key) // linearizable unless asked otherwise
			return err
		},
		close: func() {
			for _, conn := range conns {
				_ = conn.Close() // nothing is on its way
			}
		},
	}, nil
}

// etcdLeader is the place of the member that leads.
func etcdLeader(ctx context.Context, c *cluster) (int, error) {
	var endpoints []string
	for i := range members {
		endpoints = append(endpoints, "http://"+c.address(i, 0))
	}
	conn, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop(), DialTimeout: time.Second})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for i, e := range endpoints {
		status, err := conn.Status(ctx, e)
		if err != nil {
			return 0, err
		}
		if status.Header.MemberId == status.Leader {
			return i, nil
		}
	}
	return 0, errors.New("no leader yet")
}

// agent is the command of an agent with some more flags.
func (o options) agent(more ...string) func(*cluster, int) *exec.Cmd {
	return func(c *cluster, i int) *exec.Cmd {
		args := []string{
			"agent", "--dir", filepath.Join(c.dir, fmt.Sprintf("m%d", i)), "--listen", c.address(i, 0),
			"--id", fmt.Sprintf("AGNT-%d", i), "--log-level", "warn",
		}
		for j := range members {
			args = append(args, "--peer", fmt.Sprintf("AGNT-%d=%s", j, c.address(j, 0)))
		}
		return exec.Command(o.stasis, slices.Concat(args, more, o.extra)...)
	}
}

// language is how a system is asked over HTTP/1.1.
type language struct {
	writePath, readPath string
	write               func(key, value string) string
	read                func(key string) string
}

var agency = language{
	writePath: "/_api/agency/write",
	readPath:  "/_api/agency/read",
	write:     func(key, value string) string { return `[[{"/bench/` + key + `":"` + value + `"}]]` },
	read:      func(key string) string { return `[["/bench/` + key + `"]]` },
}

// etcdGateway is etcd's own translation of JSON to its protocol.
var etcdGateway = language{
	writePath: "/v3/kv/put",
	readPath:  "/v3/kv/range",
	write: func(key, value string) string {
		return `{"key":"` + coded("/bench/"+key) + `","value":"` + coded(value) + `"}`
	},
	read: func(key string) string { return `{"key":"` + coded("/bench/"+key) + `"}` },
}

func coded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// over gives each client a connection of its own.
func over(l language) func(leader string, clients int) (target, error) {
	return func(leader string, clients int) (target, error) {
		conns := make([]*keepAlive, clients)
		for i := range conns {
			var err error
			if conns[i], err = dial(leader); err != nil {
				return target{}, fmt.Errorf("connect: %w", err)
			}
		}
		return target{
			write: func(_ context.Context, client int, key, value string) error {
				return conns[client].post(l.writePath, l.write(key, value))
			},
			read: func(_ context.Context, client int, key string) error {
				return conns[client].post(l.readPath, l.read(key))
			},
			close: func() {
				for _, conn := range conns {
					_ = conn.Close() // nothing is on its way
				}
			},
		}, nil
	}
}

// agencyLeader is the place of the agent that answers a read with 200.
func agencyLeader(ctx context.Context, c *cluster) (int, error) {
	ask := http.Client{Timeout: time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer ask.CloseIdleConnections()
	for i := range members {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.address(i, 0)+"/_api/agency/read", strings.NewReader(`[["/"]]`))
		if err != nil {
			return 0, err
		}
		answer, err := ask.Do(r)
		if err != nil {
			return 0, err
		}
		_ = answer.Body.Close() // only the status counts
		if answer.StatusCode == http.StatusOK {
			return i, nil
		}
	}
	return 0, errors.New("no leader yet")
}

// keepAlive is one HTTP/1.1 connection of one client. It is plain on purpose, as
// load generators are: net/http's client would take more of the processors than
// the server it asks.
type keepAlive struct {
	net.Conn
	in   *bufio.Reader
	host string
	out  []byte
}

func dial(address string) (*keepAlive, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &keepAlive{Conn: conn, in: bufio.NewReaderSize(conn, 4096), host: address}, nil
}

// post sends a request and reads the answer to its end; only 200 is no error.
func (k *keepAlive) post(path, body string) error {
	k.out = fmt.Appendf(k.out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, k.host, len(body), body)
	if _, err := k.Write(k.out); err != nil {
		return err
	}
	answer, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return nil
}
