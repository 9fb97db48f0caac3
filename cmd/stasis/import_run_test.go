package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stasis runs the command line as the shell would.
func stasis(args ...string) (status int, out, errOut string) {
	var o, e bytes.Buffer
	status = run(args, strings.NewReader(""), &o, &e)
	return status, o.String(), e.String()
}

// What is wrong with the options is told before the server is asked for anything.
func TestImportChecksItsOptionsFirst(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s", r.Method, r.URL)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "f.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{}\n"), 0o600))
	for args, wanted := range map[string]string{
		"--on-duplicate bad":      `--on-duplicate "bad"`,
		"--shards 0":              "--shards 0",
		"--shards -2":             "--shards -2",
		"--replication-factor -1": "--replication-factor -1",
		"--write-concern 3 --replication-factor 2": "--write-concern 3",
	} {
		all := append([]string{"import", "--endpoint", server.URL, "--collection", "c", file}, strings.Fields(args)...)
		status, out, errOut := stasis(all...)
		require.Equal(t, 1, status)
		require.Empty(t, out)
		require.Contains(t, errOut, "stasis: "+wanted)
		require.Equal(t, 1, strings.Count(errOut, "\n"), errOut)
	}
}

// Lines that are refused are named by their place in the file, not in the batch
// that they were sent in.
func TestImportNamesLinesOfTheFile(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_db/_system/_api/collection" {
			_, _ = io.WriteString(w, `{}`)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		if !bytes.Contains(body, []byte("broken")) {
			_, _ = io.WriteString(w, `{"created":1}`)
			return
		}
		_, _ = io.WriteString(w, `{"errors":1,"details":["at position 2: invalid JSON (error 600), offending document: x: y"]}`)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "f.jsonl")
	large := `{"x":"` + strings.Repeat("x", importBatchBytes) + `"}`
	require.NoError(t, os.WriteFile(file, []byte(large+"\n"+large+"\n{}\nbroken\n"), 0o600))
	status, out, errOut := stasis("import", "--endpoint", server.URL, "--collection", "c", file)
	require.Equal(t, 1, status)
	require.Contains(t, out, "2 created, 0 updated, 0 ignored, 1 errors")
	require.Contains(t, errOut, "  line 4: invalid JSON (error 600), offending document: x: y\n")
	require.Contains(t, errOut, "stasis: 1 of the lines were not imported")
}
