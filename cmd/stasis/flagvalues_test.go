package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Sizes are read alike by all flags; a silly value is refused with what is wanted, in words.
func TestSizesOfFlags(t *testing.T) {
	for text, want := range map[string]int64{"64KiB": 64 << 10, "3M": 3 << 20, "2gb": 2 << 30, "1": 1, "1T": 1 << 40, "8388607T": 8388607 << 40} {
		var s size
		require.NoError(t, s.Set(text), text)
		require.EqualValues(t, want, s, text)
		again := size(0)
		require.NoError(t, again.Set(s.String()))
		require.Equal(t, s, again, "what is shown is read again")
	}
	for text, want := range map[string]int64{"256": 256 << 20, "4G": 4 << 30, "512MiB": 512 << 20} {
		var m megabytes
		require.NoError(t, m.Set(text), text)
		require.EqualValues(t, want, m.size, text)
	}
	for _, text := range []string{"", "0", "-1", "many", "4G5", "1e30", "512 M", "MB", "1.5G", "8388608T", "99999999999999999999", "1KK", "1BB"} {
		require.Error(t, new(size).Set(text), text)
		require.Error(t, new(megabytes).Set(text), text)
	}
	require.Error(t, new(megabytes).Set("4096K"), "smaller than its unit")
	require.Error(t, new(megabytes).Set("9223372036854775807"), "too large for an int64")
}

// A value that makes no sense ends the command before anything is started.
func TestSillyValuesOfFlags(t *testing.T) {
	role := func(role string, args ...string) []string {
		return append([]string{role, "--dir", t.TempDir(), "--listen", "127.0.0.1:0"}, args...)
	}
	coordinator := func(args ...string) []string {
		return role("coordinator", append(args, "--agency", "http://127.0.0.1:1")...)
	}
	for want, args := range map[string][]string{
		`--http.memory 1K: want 64M or more`:                                   coordinator("--http.memory", "1K"),
		`--http.memory "0": want a number of bytes above 0`:                    coordinator("--http.memory", "0"),
		`--http.max-body "huge": want a number of bytes above 0`:               coordinator("--http.max-body", "huge"),
		`--http.max-connections "0": want a whole number above 0`:              coordinator("--http.max-connections", "0"),
		`--http.max-connections "many": want a whole number above 0`:           coordinator("--http.max-connections", "many"),
		`--cursor.memory 1K: want 64K or more`:                                 coordinator("--cursor.memory", "1K"),
		`--tree-quota "0": want a number of megabytes above 0`:                 role("agent", "--tree-quota", "0"),
		`--tree-quota 2T: want 1M to 1T`:                                       role("agent", "--tree-quota", "2T"),
		`--grace "10": want a time with its unit, such as 500ms, 10s or 2m`:    role("agent", "--grace", "10"),
		`--agents "few": want a whole number`:                                  {"up", "--agents", "few"},
		`--restart "perhaps": want true or false`:                              {"up", "--restart=perhaps"},
		`agency add: 1 arguments given; usage: stasis agency add ID HOST:PORT`: {"agency", "add", "127.0.0.1:9"},
		`--agent …@127.0.0.1:1: it has credentials in it`:                      {"agency", "members", "--agent", "root:secret@127.0.0.1:1"},
		`--agency …@127.0.0.1:1: it has credentials in it`:                     role("dbserver", "--agency", "http://root:secret@127.0.0.1:1"),
	} {
		status, _, errOut := stasis(args...)
		require.Equal(t, 1, status, want)
		require.Contains(t, errOut, want)
		require.NotContains(t, errOut, "secret")
	}
}
