package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVersionNamesTheStorage: which kinds of remote storage are built in.
func TestVersionNamesTheStorage(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Zero(t, run([]string{"version"}, strings.NewReader(""), &out, &errOut), errOut.String())
	require.Contains(t, out.String(), "remote storage (rclone, ")
	for _, kind := range []string{"local", "s3", "webdav", "sftp", "ftp", "smb", "dropbox", "google cloud storage", "azureblob", "http", "crypt", "compress", "memory"} {
		require.Contains(t, out.String(), kind)
	}
}
