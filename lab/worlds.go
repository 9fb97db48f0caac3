package lab

import (
	"fmt"
	"slices"

	"stasis/lab/world"
)

// Worlds are all worlds, the fastest first.
func Worlds() []world.Kind { return []world.Kind{world.Bubble, world.InProcess, world.Processes} }

// ParseWorld is the world of a name.
func ParseWorld(name string) (world.Kind, error) {
	kind := world.Kind(name)
	if !slices.Contains(Worlds(), kind) {
		return kind, fmt.Errorf("world %q: want bubble, inprocess or processes", name)
	}
	return kind, nil
}
