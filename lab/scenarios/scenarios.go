// Package scenarios has the named scenarios that are shipped: each is a file of YAML with a paragraph about it.
//
// The package is experimental: names may change until the fault lab is finished.
package scenarios

import (
	"embed"
	"fmt"
	"strings"

	"stasis/lab/scenario"
)

//go:embed *.yaml
var files embed.FS

// Names are the names of all shipped scenarios, sorted.
func Names() ([]string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names, nil
}

// Read is the YAML of a shipped scenario.
func Read(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		names, _ := Names() // they are in the program: what cannot be listed is missing from the text alone
		return nil, fmt.Errorf("no shipped scenario is called %q: there are %s", name, strings.Join(names, ", "))
	}
	return text, nil
}

// Load reads a shipped scenario.
func Load(name string) (*scenario.Scenario, error) {
	text, err := Read(name)
	if err != nil {
		return nil, err
	}
	return scenario.Parse(name, text)
}
