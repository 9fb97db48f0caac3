package control_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// process is one that takes faults.
type process struct {
	net   *fault.Network
	disk  *fault.Disk
	steps control.Steps
	*control.Faults
}

func newProcess() *process {
	p := &process{net: fault.NewNetwork(), disk: fault.NewDisk()}
	p.Faults = control.NewFaults(control.Parts{
		Names: func() []string { return []string{"dbserver-1"} }, Network: p.net, Steps: &p.steps,
		Disk: func(string) *fault.Disk { return p.disk },
	})
	return p
}

func local(t *testing.T, p *process) *control.Client {
	c, end, err := control.Local(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(end)
	return c
}

func order(t *testing.T, c *control.Client, o control.Order) control.Answer {
	t.Helper()
	a, err := c.Do(t.Context(), o)
	require.NoError(t, err)
	return a
}

func refused(t *testing.T, c *control.Client, code control.Code, o control.Order) string {
	t.Helper()
	_, err := c.Do(t.Context(), o)
	require.ErrorIs(t, err, code)
	return err.Error()
}

// A cut works at once, says how often it was met, is in the list until it is healed, and healing it mends the link.
func TestCutIsMetAndHealed(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		l, err := p.net.Host("b").Listen("b:1")
		require.NoError(t, err)
		made := order(t, c, control.Order{Do: control.NetCut, From: "a", To: "b"}).Rule
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.net.Host("a").DialContext(ctx, "tcp", "b:1")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		list := order(t, c, control.Order{Do: control.RuleList}).Rules
		require.Len(t, list, 1)
		require.Equal(t, "cut", list[0].Kind)
		require.Positive(t, list[0].Met, "the fault happened")
		require.Equal(t, list[0].Met, order(t, c, control.Order{Do: control.RuleEnd, Rule: made.ID}).Met)
		require.Empty(t, order(t, c, control.Order{Do: control.RuleList}).Rules)
		conn, err := p.net.Host("a").DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		require.NoError(t, errors.Join(conn.Close(), l.Close()))
		refused(t, c, control.NoSuchRule, control.Order{Do: control.RuleEnd, Rule: made.ID})
	})
}

// A second delay of a link takes the place of the first; zero takes it back; heal all leaves none.
func TestRulesOfALinkReplaceEachOther(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := local(t, newProcess())
		for _, by := range []time.Duration{time.Second, time.Minute} {
			order(t, c, control.Order{Do: control.NetDelay, From: "a", To: "b", By: by})
		}
		list := order(t, c, control.Order{Do: control.RuleList}).Rules
		require.Len(t, list, 1)
		require.Equal(t, time.Minute, list[0].By)
		order(t, c, control.Order{Do: control.NetDelay, From: "a", To: "b"})
		require.Empty(t, order(t, c, control.Order{Do: control.RuleList}).Rules)
		order(t, c, control.Order{Do: control.NetIsolate, Server: "a"})
		order(t, c, control.Order{Do: control.DiskHang})
		order(t, c, control.Order{Do: control.HealAll})
		require.Empty(t, order(t, c, control.Order{Do: control.RuleList}).Rules)
	})
}

// Faults of disks strike the calls that are selected, and no others.
func TestDiskFaults(t *testing.T) {
	p := newProcess()
	c := local(t, p)
	rule := order(t, c, control.Order{Do: control.DiskFail, Error: "ENOSPC", Calls: &control.Calls{Kinds: []string{"create"}, Path: "wal"}}).Rule
	_, err := p.disk.FS().Create("sst", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = p.disk.FS().Create("wal-1", vfs.WriteCategoryUnspecified)
	name, ok := control.ErrorName(err)
	require.True(t, ok)
	require.Equal(t, "ENOSPC", name)
	require.Equal(t, 1, order(t, c, control.Order{Do: control.RuleMet, Rule: rule.ID}).Met)
	order(t, c, control.Order{Do: control.DiskHeal})
	_, err = p.disk.FS().Create("wal-1", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
}

// A step is held until it is released. Watchers see it before.
func TestHoldUntilReleased(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		seen := make(chan event.Event, 4)
		require.NoError(t, c.Watch(t.Context(), func(e event.Event) { seen <- e }))
		held, err := c.Hold(t.Context(), fault.Moment{Step: event.CutDone, Server: "PRMR-1"})
		require.NoError(t, err)
		went := emit(t, p, event.Event{Step: event.CutDone, Server: "PRMR-1"})
		<-held.Reached()
		require.Equal(t, event.CutDone, (<-seen).Step)
		e, ok := held.Event()
		require.True(t, ok)
		require.Equal(t, "PRMR-1", e.Server)
		synctest.Wait()
		require.Empty(t, went, "it is held")
		require.NoError(t, held.End(t.Context()))
		<-went
	})
}

// A hold outlasts the call in which its connection within the process was made.
func TestHoldOutlastsTheCallThatMadeIt(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		ctx, cancel := context.WithCancel(t.Context())
		c, end, err := control.Local(ctx, p)
		require.NoError(t, err)
		defer end()
		held, err := c.Hold(ctx, fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		cancel()
		synctest.Wait()
		went := emit(t, p, event.Event{Step: event.CutDone})
		synctest.Wait()
		require.Empty(t, went, "it is held")
		require.NoError(t, held.End(t.Context()))
		<-went
	})
}

// A controller that goes away leaves nothing held, and its rules in force.
func TestHoldsEndWithTheConnection(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		held, err := c.Hold(t.Context(), fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		order(t, c, control.Order{Do: control.NetCut, From: "a", To: "b"})
		went := emit(t, p, event.Event{Step: event.CutDone})
		<-held.Reached()
		c.Close()
		<-went
		<-held.Gone()
		require.ErrorIs(t, held.End(t.Context()), control.Lost)
		rules := order(t, local(t, p), control.Order{Do: control.RuleList}).Rules
		require.Len(t, rules, 1)
		require.Equal(t, "cut", rules[0].Kind)
	})
}

func emit(t *testing.T, p *process, e event.Event) (went chan struct{}) {
	went = make(chan struct{}, 1)
	var emitting sync.WaitGroup
	emitting.Go(func() {
		event.Sink(p.steps.Sink).Emit(context.WithoutCancel(t.Context()), e)
		went <- struct{}{}
	})
	t.Cleanup(emitting.Wait)
	return went
}

// What is wrong with an order is said with its kind, in words that name what there is.
func TestRefusals(t *testing.T) {
	c := local(t, newProcess())
	require.Contains(t, refused(t, c, control.NoSuchServer, control.Order{Do: control.DiskHang, Server: "dbserver-9"}), "there is dbserver-1")
	require.Contains(t, refused(t, c, control.BadOrder, control.Order{Do: control.DiskHang, Calls: &control.Calls{Kinds: []string{"fsync"}}}), "sync")
	require.Contains(t, refused(t, c, control.BadOrder, control.Order{Do: control.DiskFail, Error: "EFUN"}), "EIO")
	for _, o := range []control.Order{
		{Do: control.NetCut, From: "a"}, {Do: control.NetDelay, From: "a", To: "b", By: -1}, {Do: control.NetThrottle, From: "a", To: "b", Rate: -1},
		{Do: control.DiskSlow}, {Do: control.DiskFill, Bytes: -1}, {Do: control.DiskHang, Calls: &control.Calls{After: -1}},
		{Do: control.Hold}, {Do: control.Hold, Moment: &fault.Moment{}},
	} {
		refused(t, c, control.BadOrder, o)
	}
	for _, verb := range []control.Verb{control.NodeKill, control.NetMessage, control.Buggify, control.Clock, "sing"} {
		refused(t, c, control.CannotDo, control.Order{Do: verb})
	}
}

// The socket belongs to its user alone, works however long its path is, and is taken over from a process that was killed,
// but not from one that lives.
func TestSocket(t *testing.T) {
	for _, depth := range []int{1, 12} {
		path := filepath.Join(t.TempDir(), strings.Repeat("deep-folder/", depth), control.SocketName)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600), "what a killed process left")
		s, err := control.Serve(t.Context(), path, newProcess())
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.ModeSocket|0o600, info.Mode())
		c, err := control.Dial(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, []string{"dbserver-1"}, c.Hello().Servers)
		_, err = control.Serve(t.Context(), path, newProcess())
		require.ErrorContains(t, err, "serves it; stop that process first")
		require.ErrorContains(t, err, strconv.Itoa(os.Getpid()))
		require.NoError(t, s.Close())
		<-c.Gone()
		c.Close()
		_, err = control.Dial(t.Context(), path)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A process that does not answer is no answer of "no rules": the outcome is unknown, and said so in time.
func TestSilence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = control.Dial(ctx, path)
	require.ErrorIs(t, err, control.Silent)
	require.ErrorContains(t, err, "not known")
}

// A program of another version is refused with what to do.
func TestOtherVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = conn.Write([]byte(`{"id":1,"answer":{"hello":{"version":99}}}` + "\n"))
		_ = conn.Close()
	})
	_, err = control.Dial(t.Context(), path)
	require.ErrorIs(t, err, control.OtherVersion)
	require.ErrorContains(t, err, "version 99")
	require.NoError(t, l.Close())
	serving.Wait()
}

// Each rule of a link counts what it does, from when it was made: what a rule before it did is not its own.
func TestEachRuleCountsWhatItDoes(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		l, err := p.net.Host("b").Listen("b:1")
		require.NoError(t, err)
		conn, err := p.net.Host("a").DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		peer, err := l.Accept()
		require.NoError(t, err)
		send := func() {
			_, err := conn.Write([]byte("x"))
			require.NoError(t, err)
			synctest.Wait()
		}
		for _, o := range []control.Order{
			{Do: control.NetDelay, From: "a", To: "b", By: time.Second}, {Do: control.NetThrottle, From: "a", To: "b", Rate: 1},
			{Do: control.NetCut, From: "a", To: "b"}, {Do: control.NetIsolate, Server: "b"},
		} {
			for range 2 {
				rule := order(t, c, o).Rule
				require.Zero(t, order(t, c, control.Order{Do: control.RuleMet, Rule: rule.ID}).Met, "%s: it has just been made", o.Do)
				send()
				require.Equal(t, 1, order(t, c, control.Order{Do: control.RuleEnd, Rule: rule.ID}).Met, "%s", o.Do)
				time.Sleep(time.Minute) // what it did is over
			}
		}
		require.NoError(t, errors.Join(conn.Close(), peer.Close(), l.Close()))
	})
}
