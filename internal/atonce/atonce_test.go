package atonce

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

// The number is set unless it was asked for.
func TestClusters(t *testing.T) {
	parallel := flag.Lookup(name)
	before, asked := parallel.Value.String(), false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == name })
	if asked {
		Clusters()
		require.Equal(t, before, parallel.Value.String(), "it was asked for")
		return
	}
	Clusters()
	require.Equal(t, "4", parallel.Value.String())
	require.NoError(t, flag.Set(name, "7"))
	Clusters()
	require.Equal(t, "7", parallel.Value.String(), "the command line says how many")
	require.NoError(t, flag.Set(name, before))
}
