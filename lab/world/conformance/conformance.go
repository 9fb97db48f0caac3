package conformance

import (
	"errors"
	"slices"
	"testing"
	"time"

	"stasis/client"
	"stasis/lab/world"
)

// table has all fault.
func table() []row { return slices.Concat(links(), messages(), disks(), servers(), remotes()) }

// Check does all faults in a world that has at least one agent, two DB servers and a coordinator. What the world refuses has
// to be what [world.Features] says.
func Check(t testing.TB, w world.World) {
	t.Helper()
	s := &scene{t: t, ctx: t.Context(), world: w}
	if err := w.Clients()[0].Database("").EnsureCollection(s.ctx, collection, client.Layout{Shards: 6, ReplicationFactor: 2}); err != nil {
		t.Fatal(err)
	}
	s.serves("the start")
	for _, f := range table() {
		s.check(f)
	}
	if err := w.HealAll(); err != nil {
		t.Fatal(err)
	}
	s.serves("everything")
	if err := s.backup(); err != nil {
		t.Fatal(err)
	}
	s.nothingLeft("everything")
}

// CheckDelayed looks, after Check, whether the servers of a world with Config.Buggify have waited.
func CheckDelayed(t testing.TB, w world.World) {
	t.Helper()
	if w.Delayed() == 0 {
		t.Fatal("no server has ever waited at random")
	}
}

// check does one fault.
func (s *scene) check(f row) {
	s.t.Helper()
	begun := time.Now()
	defer func() { s.t.Logf("%s: %v", f.name, time.Since(begun).Round(time.Millisecond)) }()
	kind := s.world.Kind()
	refused := slices.ContainsFunc(f.needs, func(n world.Feature) bool { return world.Can(kind, n) != nil })
	d, err := f.do(s)
	if refused {
		if _, ok := errors.AsType[*world.Unsupported](err); !ok {
			s.t.Fatalf("%s: world %s lacks %v, and says %v", f.name, kind, f.needs, err)
		}
		return
	}
	if err != nil {
		s.t.Fatalf("%s: %v", f.name, err)
	}
	if d.drive == nil {
		d.drive = func() { _ = s.write(short, 2000) } // it may fail: there is a fault
	}
	s.until(f.name+" is met", func() error {
		d.drive()
		met, err := d.met()
		if err == nil && !met {
			err = errors.New("it was not met")
		}
		return err
	})
	if err := d.back(); err != nil {
		s.t.Fatalf("%s: take it back: %v", f.name, err)
	}
	s.serves(f.name)
}
