package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/event"
	"stasis/fault"
)

// One direction of a link is cut: what a sends does not arrive before the link is mended.
func ExampleNetwork_Cut() {
	net := fault.NewNetwork()
	defer net.Close()
	listener, err := net.Host("b").Listen("b:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := net.Host("a").DialContext(context.Background(), "tcp", "b:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := listener.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}

	net.Cut("a", "b")
	fmt.Fprint(a, "hello")
	_ = b.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	got := make([]byte, 5)
	_, err = b.Read(got)
	fmt.Println("timed out:", errors.Is(err, os.ErrDeadlineExceeded), "- held back:", net.Met("a", "b"))

	net.Heal("a", "b")
	_ = b.SetReadDeadline(time.Time{})
	n, _ := b.Read(got)
	fmt.Println(string(got[:n]))
	// Output:
	// timed out: true - held back: 1
	// hello
}

// A disk has room for eight more bytes.
func ExampleDisk_Fill() {
	disk := fault.NewDisk()
	full := disk.Fill(fault.Calls{}, 8)
	file, err := disk.FS().Create("log", vfs.WriteCategoryUnspecified)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := file.Write([]byte("0123456789"))
	fmt.Println(n, err, errors.Is(err, syscall.ENOSPC))
	full.End()
	n, err = file.Write([]byte("89"))
	fmt.Println(n, err)
	// Output:
	// 8 write log: no space left on device true
	// 2 <nil>
}

// A power cut takes what was not synced.
func ExampleDisk_Crash() {
	disk := fault.NewDisk()
	fs := disk.FS()
	file, _ := fs.Create("log", vfs.WriteCategoryUnspecified)
	root, _ := fs.OpenDir("/")
	fmt.Fprint(file, "synced")
	_ = file.Sync()
	_ = root.Sync() // the folder, too: it names the file
	fmt.Fprint(file, ", not synced")

	if err := disk.Crash(0, nil); err != nil {
		fmt.Println(err)
		return
	}
	file, _ = disk.FS().Open("log")
	kept := make([]byte, 100)
	n, _ := file.Read(kept)
	fmt.Println(string(kept[:n]))
	// Output: synced
}

// Syncs of log files hang until the fault ends.
func ExampleDisk_Hang() {
	disk := fault.NewDisk()
	file, _ := disk.FS().Create("000001.log", vfs.WriteCategoryUnspecified)
	hung := disk.Hang(fault.Calls{Kinds: fault.Sync, Path: func(path string) bool { return strings.HasSuffix(path, ".log") }})
	synced := make(chan error)
	go func() { synced <- file.Sync() }()
	<-hung.Reached()
	fmt.Println("hanging:", hung.Met())
	hung.End()
	fmt.Println("synced:", <-synced)
	// Output:
	// hanging: 1
	// synced: <nil>
}

// An operation is held at a step while something is broken.
func ExampleTriggers_Hold() {
	var at fault.Triggers
	held := at.Hold(fault.Moment{Step: event.CutDone, Operation: "create"})

	steps := event.Sink(at.Sink) // a cluster gets it as minicluster.Seams.Steps
	done := make(chan struct{})
	go func() {
		steps.Emit(context.Background(), event.Event{Operation: "create", ID: "b1", Step: event.CutDone})
		close(done)
	}()
	<-held.Reached()
	e, _ := held.Met()
	fmt.Println("break something now:", e.Operation, e.ID, "is at", e.Step)
	held.End()
	<-done
	// Output: break something now: create b1 is at cut
}

// The answer to a request is lost: it was done, and the caller cannot know.
func ExampleNetwork_Message() {
	network := fault.NewNetwork()
	defer network.Close()
	listener, err := network.Host("server").Listen("server:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println("done:", r.URL.Path) })}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DialContext: network.Host("client").DialContext}
	client := &http.Client{Transport: network.RoundTripper("client", transport)}

	lost := network.Message(fault.Message{To: "server", Path: "/orders", Do: fault.LoseAnswer, By: time.Millisecond})
	_, err = client.Post("http://server/orders", "", nil)
	fmt.Println("no answer:", errors.Is(err, syscall.ETIMEDOUT), "- lost:", lost.Met())

	_ = server.Close()
	<-served
	// Output:
	// done: /orders
	// no answer: true - lost: 1
}

// What is broken now, for people.
func ExampleNetwork_Rules() {
	network := fault.NewNetwork()
	defer network.Close()
	network.Cut("coordinator-1", "dbserver-2")
	network.Delay("dbserver-2", "coordinator-1", 20*time.Millisecond)
	network.Message(fault.Message{Path: "raft/RequestVote", Do: fault.Duplicate})
	for _, rule := range network.Rules() {
		fmt.Println(rule)
	}
	// Output:
	// cut coordinator-1 -> dbserver-2 (met 0)
	// delay dbserver-2 -> coordinator-1 20ms (met 0)
	// message duplicate any -> any raft/RequestVote (met 0)
}
