package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/fsm"
)

const (
	mostDifferences = 3
	mostText        = 120
)

// difference names the paths at which two trees differ, for people.
func difference(want, got []byte) string {
	a, err1 := fsm.Parse(want)
	b, err2 := fsm.Parse(got)
	if err1 != nil || err2 != nil {
		return "one of them is no JSON"
	}
	all := differences(a, b, "Plan")
	if len(all) > mostDifferences {
		all = append(all[:mostDifferences], fmt.Sprintf("and %d more", len(all)-mostDifferences))
	}
	return strings.Join(all, "; ")
}

func differences(want, got *fsm.Node, path string) []string {
	a, b := maps.Collect(want.Children()), maps.Collect(got.Children())
	switch {
	case fsm.Equal(want, got):
		return nil
	case !want.Exists():
		return []string{path + " was not there"}
	case !got.Exists():
		return []string{path + " is missing"}
	case len(a) == 0 || len(b) == 0:
		return []string{fmt.Sprintf("%s was %s and is %s", path, short(want), short(got))}
	}
	names := maps.Clone(a)
	maps.Copy(names, b)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, differences(a[name], b[name], path+"/"+name)...)
	}
	return all
}

func short(n *fsm.Node) string {
	text := n.String()
	if len(text) > mostText {
		return text[:mostText] + "…"
	}
	return text
}
