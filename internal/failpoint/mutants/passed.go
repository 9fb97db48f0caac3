package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// place is a test or a subtest in a folder.
type place struct{ room, test string }

// module is the first part of what the packages are named.
const module = "stasis/"

// passedIn gives the tests that passed, and did nothing else, by what `go test -json` has printed.
func passedIn(path string) (passed map[place]bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	passed, failed := map[place]bool{}, map[place]bool{}
	for lines := json.NewDecoder(f); ; {
		var e struct{ Action, Package, Test string }
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s is not what go test -json prints: %w", path, err)
		}
		at := place{strings.TrimPrefix(e.Package, module), e.Test}
		switch e.Action {
		case "pass":
			passed[at] = true
		case "fail", "skip":
			failed[at] = true
		}
	}
	for at := range failed {
		delete(passed, at)
	}
	return passed, nil
}
