package world

import (
	"sync"
	"time"

	"stasis/fault"
)

// localDisk is a [fault.Disk] as a world has it.
type localDisk struct {
	kind  Kind
	disk  *fault.Disk
	hangs *hangs
	halt  func() *fault.DiskFault // of the pause of its server, which is no fault of the disk; nil: there is none
}

func (d localDisk) Hang(calls fault.Calls) (Met, error) {
	return d.hangs.add(d.disk.Hang(calls)), nil
}

func (d localDisk) Slow(calls fault.Calls, each time.Duration) (Met, error) {
	return d.disk.Slow(calls, each), nil
}

func (d localDisk) Fail(calls fault.Calls, err error) (Met, error) {
	return d.disk.Fail(calls, err), nil
}

func (d localDisk) Fill(calls fault.Calls, bytes int64) (Met, error) {
	return d.disk.Fill(calls, bytes), nil
}

func (d localDisk) Tear(calls fault.Calls) (Met, error) {
	if err := Can(d.kind, TornWrites); err != nil {
		return nil, err
	}
	return d.disk.Tear(calls), nil
}

// HealAll leaves the disk of a server that is paused as it is: it does nothing until it goes on.
func (d localDisk) HealAll() error {
	if d.halt != nil {
		d.disk.HealAllBut(d.halt())
		return nil
	}
	d.disk.HealAll()
	return nil
}

// hangs are the faults that make calls of one disk wait. A server whose calls wait cannot be ended before they
// return, which a process that is killed need not wait for.
type hangs struct {
	mu   sync.Mutex
	list []*fault.DiskFault
}

func (h *hangs) add(f *fault.DiskFault) *fault.DiskFault {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, f)
	return f
}

func (h *hangs) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.list {
		f.End()
	}
	h.list = nil
}

// halts are the hangs of the disks of servers that are paused. The zero value is ready.
type halts struct {
	mu  sync.Mutex
	all map[string]*fault.DiskFault
}

func (h *halts) add(server string, f *fault.DiskFault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]*fault.DiskFault{}
	}
	h.all[server] = f
}

func (h *halts) end(server string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.all[server]; f != nil {
		f.End()
		delete(h.all, server)
	}
}

// of is the hang of a server that is paused; nil if it is not.
func (h *halts) of(server string) *fault.DiskFault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[server]
}
