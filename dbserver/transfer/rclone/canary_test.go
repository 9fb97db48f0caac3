package rclone

import (
	"testing"

	dbclient "stasis/dbserver/client"
)

// attempt opens a remote and lists it.
func attempt(t testing.TB, r dbclient.Remote, config dbclient.RemoteConfig) error {
	t.Helper()
	opened, err := testRemotes(t).Open(t.Context(), r, config, nil)
	if err != nil {
		return err
	}
	_, err = opened.List(t.Context(), "")
	_ = opened.Close() // the first error counts
	return err
}
