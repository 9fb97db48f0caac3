package minicluster

import (
	"context"
	"time"

	"stasis/fault"
	"stasis/fault/control"
)

// labHere is what can be broken of the servers in this process.
type labHere struct {
	net   *fault.Network
	disks *fault.Disks
	steps control.Steps
	clock fault.WallClocks
	delay control.Delays
	all   *control.Faults
}

// thaw ends the faults of the disk of a server whose life ends: faults do not outlive it, as those of a process do not.
func (h *labHere) thaw(server string) {
	if h != nil {
		_, _ = h.all.Handle(context.Background(), nil, control.Order{Do: control.DiskHeal, Server: server}) // the server is there
	}
}

// faults carry orders out in this process.
func (h *labHere) faults(servers *members) *control.Faults {
	h.all = control.NewFaults(control.Parts{
		Names: servers.names, Network: h.net, Steps: &h.steps,
		Message: func(m fault.Message) (control.Ending, error) {
			if err := m.Check(); err != nil {
				return nil, err
			}
			return h.net.Message(m), nil
		},
		Latency: func(o control.Order) {
			if o.From == "" && o.To == "" {
				h.net.Latency(o.By, o.By+o.Jitter, o.Seed)
				return
			}
			h.net.LinkLatency(o.From, o.To, o.By, o.By+o.Jitter, o.Seed)
		},
		Disk: func(server string) *fault.Disk {
			if _, err := servers.named(server); err != nil {
				return nil
			}
			return h.disks.Of(server)
		},
		Clock: func(server string, by time.Duration) error {
			h.clock.Of(server).Skew(by)
			return nil
		},
		Clocked: func(server string) int { return h.clock.Of(server).Met() },
		Random:  h.delay.Set, Delayed: h.delay.Met,
	})
	return h.all
}
