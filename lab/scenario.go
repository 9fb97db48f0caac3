package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"stasis/lab/director"
	"stasis/lab/scenario"
	"stasis/lab/scenarios"
	"stasis/lab/swarm"
	"stasis/lab/world"
)

// Scenario is what is to be played.
type Scenario struct {
	Name   string
	source func(seed uint64) ([]byte, error) // the YAML
}

// Text is a scenario that is written in a program.
func Text(name, yaml string) Scenario {
	return Scenario{name, func(uint64) ([]byte, error) { return []byte(yaml), nil }}
}

// Named is a shipped scenario.
func Named(name string) (Scenario, error) {
	text, err := scenarios.Read(name)
	return Text(name, string(text)), err
}

// File is a scenario in a file.
func File(path string) (Scenario, error) {
	text, err := os.ReadFile(path)
	return Text(path, string(text)), err
}

// Swarm is another scenario with each seed: topology, load and faults are drawn from it, of what a world can do.
func Swarm(kind world.Kind) Scenario {
	features := world.Features(kind)
	can := func(feature string) bool {
		why, known := features[world.Feature(feature)]
		return known && why == ""
	}
	return Scenario{swarmName, func(seed uint64) ([]byte, error) {
		s, err := swarm.Draw(seed, can)
		if err != nil {
			return nil, err
		}
		return s.Source, nil
	}}
}

// swarmName is the name of [Swarm] beside those of the shipped scenarios.
const swarmName = "swarm"

// Find is a scenario in a file, or a shipped one, or the swarm of a world.
func Find(name string, kind world.Kind) (Scenario, error) {
	if name == swarmName {
		return Swarm(kind), nil
	}
	s, err := Named(name)
	if err == nil {
		return s, nil
	}
	s, ferr := File(name)
	if errors.Is(ferr, fs.ErrNotExist) && !strings.ContainsAny(name, "./\\") {
		names, _ := scenarios.Names() // they are in the program, and listed in err
		return s, fmt.Errorf("%w, %s; a file of that name is not here either%s", err, swarmName, scenario.DidYouMean(name, append(names, swarmName, "all")))
	}
	return s, ferr
}

// All are all shipped scenarios.
func All() ([]Scenario, error) {
	names, err := scenarios.Names()
	if err != nil {
		return nil, err
	}
	all := make([]Scenario, len(names))
	for i, name := range names {
		if all[i], err = Named(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Source is the YAML of the scenario as it is with a seed.
func (s Scenario) Source(seed uint64) ([]byte, error) { return s.source(seed) }

// Parse reads the scenario as it is with a seed. Its error has each line that is wrong.
func (s Scenario) Parse(seed uint64) (*scenario.Scenario, error) {
	text, err := s.source(seed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return scenario.Parse(s.Name, text)
}

// Fits is nil if a world can play the scenario. The error names the lines and the reasons.
func (s Scenario) Fits(kind world.Kind) error {
	parsed, err := s.Parse(1)
	if err != nil {
		return err
	}
	return director.Fits(parsed, kind)
}
