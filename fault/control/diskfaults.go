package control

import (
	"strings"

	"stasis/fault"
)

// disk gives a disk a fault.
func (f *Faults) disk(_ *Session, o Order) (Answer, error) {
	server, disk, err := f.diskOf(o)
	if err != nil {
		return Answer{}, err
	}
	calls, err := o.Calls.fault()
	if err != nil {
		return Answer{}, err
	}
	rule := Rule{Kind: o.Do.kind(), Server: server, Calls: o.Calls}
	var set *fault.DiskFault
	switch o.Do {
	case DiskHang:
		set = disk.Hang(calls)
	case DiskSlow:
		if rule.By = o.By; o.By <= 0 {
			return Answer{}, Errorf(BadOrder, "calls to the disk cannot take %v longer", o.By)
		}
		set = disk.Slow(calls, o.By)
	case DiskFail:
		if rule.Error = o.Error; o.Error == "" {
			rule.Error = "EIO"
		}
		failure := failures[rule.Error]
		if failure == nil {
			return Answer{}, Errorf(BadOrder, "calls to the disk cannot fail with %q: there are %s", o.Error, strings.Join(Errors(), ", "))
		}
		set = disk.Fail(calls, failure)
	default:
		if rule.Bytes = o.Bytes; o.Bytes < 0 {
			return Answer{}, Errorf(BadOrder, "a full disk cannot take %d bytes", o.Bytes)
		}
		set = disk.Fill(calls, o.Bytes)
	}
	r := f.rules.add(rule, set.Met, set.End)
	return Answer{Rule: &r}, nil
}

func (f *Faults) diskOf(o Order) (server string, disk *fault.Disk, err error) {
	if server, err = f.server(o); err != nil {
		return "", nil, err
	}
	if f.parts.Disk != nil {
		disk = f.parts.Disk(server)
	}
	if disk == nil {
		return "", nil, Errorf(CannotDo, "the disk of %s cannot be broken", server)
	}
	return server, disk, nil
}

// OfDisk reports whether a rule is a fault of a disk.
func (r Rule) OfDisk() bool {
	switch r.Kind {
	case "hang", "slow", "fail", "fill", "tear":
		return true
	}
	return false
}

// healDisk ends all faults of one disk.
func (f *Faults) healDisk(_ *Session, o Order) (Answer, error) {
	server, disk, err := f.diskOf(o)
	if err != nil {
		return Answer{}, err
	}
	f.rules.endThose(func(r Rule) bool { return r.OfDisk() && r.Server == server })
	disk.HealAll()
	return Answer{}, nil
}
