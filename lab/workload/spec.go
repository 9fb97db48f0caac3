package workload

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Spec says which workload, how much and how fast. Zero fields take the workload's default; a field that
// the workload does not know has to be zero, otherwise New refuses it.
type Spec struct {
	Name         string        `json:"name"` // "bank", "all-or-nothing", "chain", "register", "documents", "append", "counter", "schema"
	Clients      int           `json:"clients,omitempty"`
	Accounts     int           `json:"accounts,omitempty"`
	Keys         int           `json:"keys,omitempty"`
	Shards       int           `json:"shards,omitempty"`
	Replication  int           `json:"replication,omitempty"`
	WriteConcern int           `json:"writeConcern,omitempty"`
	WaitForSync  bool          `json:"waitForSync,omitempty"`
	Pace         time.Duration `json:"pace,omitempty"` // pause between two operations of a client, half as long up to half as much again
	Lull         time.Duration `json:"lull,omitempty"` // the pause while nothing hurries the clients, see Workload.Hurry; 0: as Pace
	Skew         float64       `json:"skew,omitempty"` // of the choice of keys: 0 uniform, else the exponent of a Zipf distribution
	Seed         uint64        `json:"seed,omitempty"`
}

// Defaults that workloads share.
const (
	defaultClients     = 4
	defaultShards      = 6
	defaultReplication = 2
	defaultPace        = 10 * time.Millisecond
	mostClients        = 10000
	mostKeys           = 1000000
	mostSkew           = 10
)

// knowsSkew is the Skew in what a workload knows if it chooses keys. The default is none.
const knowsSkew = 1

// common is what every workload knows.
func common(s Spec) Spec {
	s.Clients, s.Shards, s.Replication, s.WriteConcern, s.Pace = defaultClients, defaultShards, defaultReplication, 1, defaultPace
	return s
}

// known are the settings of a workload with such defaults that not every workload has.
func known(d Spec) []string {
	names := []string{"clients"}
	for _, own := range []struct {
		name  string
		value int
	}{{"accounts", d.Accounts}, {"keys", d.Keys}} {
		if own.value != 0 {
			names = append(names, own.name)
		}
	}
	return append(names, "shards", "replication", "write concern", "pace")
}

// with fills in defaults, and refuses what cannot be.
func (s Spec) with(d Spec) (Spec, error) {
	var errs []error
	number := func(name string, value *int, otherwise, most int) {
		switch {
		case *value != 0 && otherwise == 0:
			errs = append(errs, fmt.Errorf("%s is nothing that it knows: want %s", name, strings.Join(known(d), ", ")))
		case *value < 0 || *value > most:
			errs = append(errs, fmt.Errorf("%s %d: want a number from 1 to %d", name, *value, most))
		case *value == 0:
			*value = otherwise
		}
	}
	number("clients", &s.Clients, d.Clients, mostClients)
	number("accounts", &s.Accounts, d.Accounts, mostKeys)
	number("keys", &s.Keys, d.Keys, mostKeys)
	number("shards", &s.Shards, d.Shards, 1000)
	number("replication", &s.Replication, d.Replication, 100)
	number("write concern", &s.WriteConcern, d.WriteConcern, 100)
	if s.WriteConcern > s.Replication {
		errs = append(errs, fmt.Errorf("write concern %d is more than the replication %d: no write would ever be done", s.WriteConcern, s.Replication))
	}
	if s.Accounts == 1 {
		errs = append(errs, errors.New("accounts 1: want at least 2, to transfer between them"))
	}
	switch {
	case s.Skew != 0 && d.Skew == 0:
		errs = append(errs, errors.New("skew is nothing that it knows: its clients do not choose keys"))
	case !(s.Skew >= 0 && s.Skew <= mostSkew):
		errs = append(errs, fmt.Errorf("skew %v: want a number from 0 to %d", s.Skew, mostSkew))
	}
	if s.Pace < 0 {
		errs = append(errs, fmt.Errorf("pace %v: want a duration above 0", s.Pace))
	} else if s.Pace == 0 {
		s.Pace = d.Pace
	}
	if s.Lull == 0 {
		s.Lull = s.Pace
	} else if s.Lull < s.Pace {
		errs = append(errs, fmt.Errorf("lull %v: want the pace, %v, or a longer time", s.Lull, s.Pace))
	}
	return s, errors.Join(errs...)
}
