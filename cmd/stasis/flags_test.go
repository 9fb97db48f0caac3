package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A value that makes no sense ends the command before anything is started.
func TestSillyValuesOfFlags(t *testing.T) {
	role := func(role string, args ...string) []string {
		return append([]string{role, "--dir", t.TempDir(), "--listen", "127.0.0.1:0"}, args...)
	}
	coordinator := func(args ...string) []string {
		return role("coordinator", append(args, "--agency", "http://127.0.0.1:1")...)
	}
	for want, args := range map[string][]string{
		`--http.memory 1K: want 64M or more`:                                                       coordinator("--http.memory", "1K"),
		`--http.memory "0": want a number of bytes above 0`:                                        coordinator("--http.memory", "0"),
		`--http.max-body "huge": want a number of bytes above 0`:                                   coordinator("--http.max-body", "huge"),
		`--http.max-connections "0": want a whole number above 0`:                                  coordinator("--http.max-connections", "0"),
		`--http.max-connections "many": want a whole number above 0`:                               coordinator("--http.max-connections", "many"),
		`--cursor.memory 1K: want 64K or more`:                                                     coordinator("--cursor.memory", "1K"),
		`--tree-quota "0": want a number of megabytes above 0`:                                     role("agent", "--tree-quota", "0"),
		`--tree-quota 2T: want 1M to 1T`:                                                           role("agent", "--tree-quota", "2T"),
		`--grace "10": want a time with its unit, such as 500ms, 10s or 2m`:                        role("agent", "--grace", "10"),
		`--agents "few": want a whole number`:                                                      {"up", "--agents", "few"},
		`--clients 0: want more than 0, or leave it out`:                                           {"load", "bank", "--clients", "0"},
		`--pace 0s: want more than 0, or leave it out`:                                             {"load", "bank", "--pace", "0s"},
		`--times 0: want more than 0, or leave it out`:                                             {"net", "message", "duplicate", "any", "any", "--times", "0"},
		`--by, --after, --every and --times must not be negative`:                                  {"net", "message", "duplicate", "any", "any", "--times", "-1"},
		`--total 0: want at least 1`:                                                               {"lab", "run", "full-disk", "--total", "0"},
		`--parallel 0: want at least 1, or leave it out`:                                           {"lab", "run", "full-disk", "--parallel", "0"},
		`--out "": want a directory, or leave it out`:                                              {"lab", "run", "full-disk", "--out", ""},
		`--power: no scenario says how often it breaks without locks`:                              {"lab", "run", "full-disk", "--power"},
		`there are not so many numbers after it`:                                                   {"lab", "run", "full-disk", "--runs", "2", "--seed", "18446744073709551615"},
		`, swarm; a file of that name is not here either`:                                          {"lab", "run", "nosuch"},
		`one-world.yaml: no world can play it`:                                                     {"lab", "check", "testdata/lab/one-world.yaml"},
		`--restart "perhaps": want true or false`:                                                  {"up", "--restart=perhaps"},
		`agency add: the arguments do not fit: 127.0.0.1:9; usage: stasis agency add ID HOST:PORT`: {"agency", "add", "127.0.0.1:9"},
		`--agent …@127.0.0.1:1: the address contains credentials`:                                  {"agency", "members", "--agent", "root:secret@127.0.0.1:1"},
		`--agency …@127.0.0.1:1: the address contains credentials`:                                 role("dbserver", "--agency", "http://root:secret@127.0.0.1:1"),
	} {
		status, _, errOut := stasis(args...)
		require.Equal(t, 1, status, want)
		require.Contains(t, errOut, want)
		require.NotContains(t, errOut, "secret")
	}
}
