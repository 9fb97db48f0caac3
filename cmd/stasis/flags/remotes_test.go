package flags

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A DB server that is a process of its own gets the same rules.
func TestRemotesArePassedOn(t *testing.T) {
	r := Remotes{named: "f", types: []string{"s3", "sftp"}, localRoot: "/r", hosts: []string{"h:1"}}
	require.ElementsMatch(t, []string{"--backup.remotes=f", "--backup.remote-types=s3,sftp", "--backup.local-root=/r", "--backup.remote-hosts=h:1"}, r.Arguments())
}
