package world

import (
	"time"

	"stasis/fault"
	"stasis/fault/control"
)

// processDisk breaks the disk of a server that is a process of its own, by orders.
type processDisk struct {
	orders *orders
	server string
}

func (d processDisk) Hang(calls fault.Calls) (Met, error) {
	return d.add(control.Order{Do: control.DiskHang}, calls)
}

func (d processDisk) Slow(calls fault.Calls, each time.Duration) (Met, error) {
	return d.add(control.Order{Do: control.DiskSlow, By: each}, calls)
}

func (d processDisk) Fail(calls fault.Calls, err error) (Met, error) {
	name, ok := control.ErrorName(err)
	if !ok {
		return nil, &Unsupported{World: Processes, What: "failures of a disk with " + err.Error(), Why: "the control socket knows the system's errors alone"}
	}
	return d.add(control.Order{Do: control.DiskFail, Error: name}, calls)
}

func (d processDisk) Fill(calls fault.Calls, bytes int64) (Met, error) {
	return d.add(control.Order{Do: control.DiskFill, Bytes: bytes}, calls)
}

func (processDisk) Tear(fault.Calls) (Met, error) { return nil, Can(Processes, TornWrites) }

func (d processDisk) HealAll() error {
	return d.orders.takeBackThose(func(o *order) bool { return o.Calls != nil && o.Server == d.server }, control.Order{Do: control.DiskHeal, Server: d.server})
}

func (d processDisk) add(o control.Order, calls fault.Calls) (Met, error) {
	if calls.Path != nil || calls.Times > 0 {
		return nil, &Unsupported{World: Processes, What: "faults of disks for some paths, or for a number of calls", Why: "a function cannot be sent to another process, and the control socket ends a fault by order alone"}
	}
	o.Server, o.Calls = d.server, &control.Calls{Kinds: control.KindNames(calls.Kinds), After: calls.After}
	met, err := d.orders.stand(order{Order: o})
	if err != nil {
		return nil, err
	}
	return met, nil
}
