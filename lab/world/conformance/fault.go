package conformance

import "stasis/lab/world"

// fault is one row of the table.
type fault struct {
	name  string
	needs []world.Feature
	do    func(s *scene) (done, error)
}

// done is a fault that is there.
type done struct {
	drive func()               // what makes the cluster meet it; nil: writes
	met   func() (bool, error) // it has happened
	back  func() error         // takes it back
}

// ofMet is a fault that counts by itself.
func ofMet(met world.Met, err error) (done, error) {
	return done{
		met:  func() (bool, error) { return met.Met() > 0, nil },
		back: func() error { met.End(); return nil },
	}, err
}
