package control

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"

	"stasis/fault"
)

// Calls select calls to a disk, as fault.Calls do.
type Calls struct {
	Kinds []string `json:"kinds,omitempty"` // names of [Kinds]; none: all that change something
	Path  string   `json:"path,omitempty"`  // calls with this in their path only; "": all
	After int      `json:"after,omitempty"` // so many selected calls pass first
}

// kinds are the kinds of calls to a disk by name.
var kinds = map[string]fault.Kind{
	"create": fault.Create, "write": fault.Write, "sync": fault.Sync, "rename": fault.Rename, "link": fault.Link, "remove": fault.Remove,
	"mkdir": fault.Mkdir, "open": fault.Open, "read": fault.Read, "list": fault.List, "stat": fault.Stat, "changes": fault.Changes, "any": fault.Any,
}

// Kinds are the names of kinds of calls to a disk, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// failures are what calls to a disk may fail with.
var failures = map[string]error{
	"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS, "EACCES": syscall.EACCES, "EMFILE": syscall.EMFILE,
}

// Errors are the names of what calls to a disk may fail with, sorted.
func Errors() []string { return slices.Sorted(maps.Keys(failures)) }

// ErrorName is the name of an error that calls to a disk may fail with.
func ErrorName(err error) (name string, ok bool) {
	for _, name := range Errors() {
		if errors.Is(err, failures[name]) {
			return name, true
		}
	}
	return "", false
}

// Check is an error if there are no such calls.
func (c *Calls) Check() error {
	_, err := c.fault()
	return err
}

// fault gives the calls as a disk takes them.
func (c *Calls) fault() (fault.Calls, error) {
	var calls fault.Calls
	if c == nil {
		return calls, nil
	}
	for _, name := range c.Kinds {
		kind, ok := kinds[name]
		if !ok {
			return calls, Errorf(BadOrder, "no calls %q to a disk: there are %s", name, strings.Join(Kinds(), ", "))
		}
		calls.Kinds |= kind
	}
	if c.After < 0 {
		return calls, Errorf(BadOrder, "%d calls cannot pass first", c.After)
	}
	calls.After = c.After
	if part := c.Path; part != "" {
		calls.Path = func(path string) bool { return strings.Contains(path, part) }
	}
	return calls, nil
}

// KindNames are the names of a set of kinds, as Calls have them.
func KindNames(set fault.Kind) []string {
	var names []string
	for _, name := range Kinds() {
		if kind := kinds[name]; name != "any" && name != "changes" && set&kind != 0 {
			names = append(names, name)
		}
	}
	return names
}
