package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
)

// followersKind is a load of writes beside followers of the watch, which are a
// process of their own: so the leader's processor time tells what they cost it.
const followersKind = "write, followed"

// follow polls an agency by n followers, each on a connection of its own, until
// standard input ends, and then tells how many changes they were told of.
func follow(leader string, n int) error {
	var told atomic.Int64
	var wait sync.WaitGroup
	conns := make([]net.Conn, n)
	failed := make([]error, n)
	for i := range n {
		conn, err := net.Dial("tcp", leader)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		conns[i] = conn
		wait.Go(func() { failed[i] = followOne(conn, leader, &told) })
	}
	fmt.Println("following")
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
	for _, conn := range conns {
		_ = conn.Close() // polls are waiting
	}
	wait.Wait()
	fmt.Println(told.Load())
	for _, err := range failed {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// followOne polls from the present index on.
func followOne(conn net.Conn, host string, told *atomic.Int64) error {
	in := bufio.NewReaderSize(conn, 64<<10)
	head := make([]byte, 256)
	for next := uint64(1 << 62); ; {
		timeout := "60"
		if next == 1<<62 {
			timeout = "0" // only to learn the index
		}
		if _, err := fmt.Fprintf(conn, "GET /_api/agency/poll?index=%d&timeout=%s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip\r\n\r\n", next, timeout, host); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		text := io.Reader(answer.Body)
		if answer.Header.Get("Content-Encoding") == "gzip" {
			if text, err = gzip.NewReader(answer.Body); err != nil {
				return err
			}
		}
		n, err := io.ReadFull(text, head)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
		commit, err := commitIndex(head[:n])
		if err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %w", answer.Status, head[:n], err)
		}
		if next != 1<<62 {
			told.Add(int64(commit - next + 1))
		}
		next = commit + 1
	}
}

// commitIndex reads it from the beginning of an answer.
func commitIndex(head []byte) (uint64, error) {
	_, after, found := bytes.Cut(head, []byte(`"commitIndex":`))
	digits, _, whole := bytes.Cut(after, []byte(","))
	if !found || !whole {
		return 0, errors.New("no commitIndex")
	}
	return strconv.ParseUint(string(digits), 10, 64)
}

// followed runs measure beside n followers in another process.
func followed(ctx context.Context, leader string, n int, measure func() (figures, error)) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	run := exec.CommandContext(ctx, self, "-follow", leader, "-followers", strconv.Itoa(n))
	run.Stderr = os.Stderr
	stop, err := run.StdinPipe()
	if err != nil {
		return figures{}, err
	}
	out, err := run.StdoutPipe()
	if err != nil {
		return figures{}, err
	}
	if err := run.Start(); err != nil {
		return figures{}, err
	}
	lines := bufio.NewReader(out)
	_, err = lines.ReadString('\n')
	var f figures
	if err == nil {
		f, err = measure()
	}
	_ = stop.Close() // it ends then
	told, _ := lines.ReadString('\n')
	if werr := run.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("followers: %w", werr)
	}
	if n, _ := strconv.ParseInt(told[:max(0, len(told)-1)], 10, 64); err == nil && n == 0 {
		err = errors.New("the followers were told nothing")
	}
	return f, err
}
