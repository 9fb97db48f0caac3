package flags

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// The options of a file are taken as they are written; the command line counts more. What is
// not an option, or no value of one, is an error that says so.
func TestConfigurationFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "options")
	read := func(text string, args ...string) (map[string]string, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		var b Backup
		cmd := &cobra.Command{Use: "backup"}
		b.AddToGroup(cmd)
		cmd.Flags().String("label", "", "")
		require.NoError(t, cmd.ParseFlags(args))
		err := readConfiguration(cmd, path)
		return map[string]string{"endpoint": b.Endpoint, "password": b.Password, "label": cmd.Flag("label").Value.String()}, err
	}
	got, err := read("# a comment\n; another\nlabel = nightly\n\n[ server ]\nendpoint=tcp://h:1\n  password = a#b;c \"d\" \\\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"endpoint": "tcp://h:1", "password": `a#b;c "d" \`, "label": "nightly"}, got)

	for _, password := range []string{"`", "`a`", "`a", `"""`, `"""a"""`, `"""a`, `"a"`, "'a'", `%(endpoint)s`} {
		got, err = read("[server]\npassword = " + password + "\r\nendpoint = tcp://h:1\n")
		require.NoError(t, err, password)
		require.Equal(t, password, got["password"])
		require.Equal(t, "tcp://h:1", got["endpoint"], password)
	}

	got, err = read("[server]\nendpoint = tcp://h:1\n", "--endpoint", "tcp://h:2")
	require.NoError(t, err)
	require.Equal(t, "tcp://h:2", got["endpoint"])

	for text, says := range map[string]string{
		"[server]\nendpont = x\n":         `unknown option "server.endpont" of backup`,
		"nonsense\n":                      "want lines such as name = value",
		"[server]\nrequest-timeout = x\n": `--server.request-timeout "x": want a number`,
	} {
		_, err := read(text)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, path)
		require.NotContains(t, err.Error(), "nonsense", "a line may have a password")
	}
	require.ErrorContains(t, readConfiguration(&cobra.Command{}, filepath.Join(path, "none")), "--configuration: ")
}
