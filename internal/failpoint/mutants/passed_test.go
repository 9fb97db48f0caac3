package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only what passed and neither failed nor was left out need not be run without the mutant.
func TestPassedIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(`{"Action":"start","Package":"stasis/agency"}
{"Action":"run","Package":"stasis/agency","Test":"TestA"}
{"Action":"pass","Package":"stasis/agency","Test":"TestA/a_subtest","Elapsed":1}
{"Action":"fail","Package":"stasis/agency","Test":"TestA","Elapsed":1}
{"Action":"pass","Package":"stasis/fsm","Test":"TestB"}
{"Action":"skip","Package":"stasis/fsm","Test":"TestC"}
{"Action":"pass","Package":"stasis/fsm","Test":"TestC"}
`)
	passed, err := passedIn(path)
	require.NoError(t, err)
	require.Equal(t, map[place]bool{{"agency", "TestA/a_subtest"}: true, {"fsm", "TestB"}: true}, passed)

	write("PASS\n")
	_, err = passedIn(path)
	require.ErrorContains(t, err, "is not what go test -json prints")
	_, err = passedIn(path + "-not")
	require.ErrorIs(t, err, os.ErrNotExist)
}
