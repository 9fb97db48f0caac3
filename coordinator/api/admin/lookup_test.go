package admin

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
)

// A name that two servers have, of which neither has failed, is refused; an id means its server also when another server is
// called so.
func TestNameOfTwoServers(t *testing.T) {
	w := newWorld(t)
	named := func(id, name string) {
		w.set(map[string]any{keys.ServerRegistered(id): keys.Registered{Endpoint: "tcp://" + id, Process: keys.Process{Name: name}}})
	}
	cleanOut := func(name string) answer { return w.do("POST", "cleanOutServer", `{"server":"`+name+`"}`) }
	named("PRMR-A", "db")
	named("PRMR-B", "db")
	a := cleanOut("db")
	w.want(a, 400, 10)
	require.Contains(t, a.body, "PRMR-A, PRMR-B")
	named("PRMR-A", "DBServer0002") // the short name of B
	w.want(cleanOut("DBServer0002"), 400, 10)
	require.Zero(t, w.at(keys.TargetToDo).Len())

	named("PRMR-A", "PRMR-C")
	w.want(cleanOut("PRMR-C"), 202, 0)
	require.Contains(t, w.at(keys.TargetToDo).String(), `"server":"PRMR-C"`)

	w.set(map[string]any{keys.ServerHealth("PRMR-A") + "/Status": keys.StatusFailed})
	named("PRMR-A", "db")
	w.want(cleanOut("db"), 202, 0)
	require.Contains(t, w.at(keys.TargetToDo).String(), `"server":"PRMR-B"`)
}
