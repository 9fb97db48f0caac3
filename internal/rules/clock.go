package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// servers are the packages that run in servers, and read the wall clock through internal/wall.
var servers = []string{"stasis/agency", "stasis/dbserver", "stasis/coordinator", "stasis/fsm", "stasis/client", "stasis/internal",
	"house/room", // of the test
}

// systemClock are those of them that read the system's clock as a time all the same, and why.
var systemClock = map[string]string{
	"stasis/internal/wall":       "it is the seam",
	"stasis/agency/agencytest":   "it is an agency for tests",
	"stasis/agency/store":        "it names snapshots as Raft's own store does, and no server reads the time in the name",
	"stasis/dbserver/diskhealth": "what the probe writes is read by nothing",
	"stasis/internal/failpoint":  "it is the lab's",
	"stasis/internal/fixture":    "it is of tests",
	"stasis/internal/bubbles":    "it is of tests",
}

// lengths are the methods of a time by which lengths of time are measured: they use the monotonic clock.
var lengths = []string{"Add", "Sub", "After", "Before", "Compare", "Equal"}

// wallClockReads finds what makes a date or a number of time.Now in a server: it cannot be given a
// wrong clock there (internal/wall says why it has to be).
func wallClockReads(p *packages.Package) (found []string) {
	if _, named := systemClock[p.PkgPath]; named || !within(p.PkgPath, servers) {
		return nil
	}
	for _, file := range p.Syntax {
		if strings.HasSuffix(p.Fset.Position(file.Pos()).Filename, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			method, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			call, ok := ast.Unparen(method.X).(*ast.CallExpr)
			if !ok || slices.Contains(lengths, method.Sel.Name) {
				return true
			}
			now, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of := p.TypesInfo.Uses[now.Sel]; of != nil && of.Pkg() != nil && of.Pkg().Path() == "time" && of.Name() == "Now" {
				at := p.Fset.Position(method.Pos())
				found = append(found, fmt.Sprintf("%s:%d: time.Now().%s reads the system's wall clock: use the server's wall.Clock, or name the package in systemClock", place(at.Filename), at.Line, method.Sel.Name))
			}
			return true
		})
	}
	return found
}
