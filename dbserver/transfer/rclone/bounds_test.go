package rclone

import (
	"math"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/lib/encoder"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// numeric says whether an option is a number, a size or a duration for rclone.
func numeric(o *fs.Option) bool {
	if _, mask := o.Default.(encoder.MultiEncoder); o.Default == nil || mask {
		return false
	}
	v := reflect.ValueOf(o.Default)
	return v.CanInt() || v.CanUint() || v.CanFloat()
}

// perhapsNumeric are names of texts that may be numbers all the same.
var perhapsNumeric = regexp.MustCompile(`size|level|limit|cutoff|concurren|parallel|chunk|timeout|time$|max|min_|sleep|cache|buffer|pool|parts|transfers|checkers|connections|duration|batch|depth|_count`)

// texts are those whose names only look so.
var textsAfterAll = []string{"batch_mode"}

// Every number that a request may set is bounded: what it costs was looked at. A new version of
// rclone that has another one fails here. The bounds name nothing else, and hold rclone's defaults.
func TestEveryNumberIsBounded(t *testing.T) {
	for name, r := range rules {
		info, err := fs.Find(name)
		require.NoError(t, err)
		for _, option := range strings.Fields(r.allow) {
			o := info.Options.Get(option)
			_, bounded := spans[name][option]
			text := !numeric(o) && (o.Default == nil || reflect.ValueOf(o.Default).Kind() == reflect.String)
			switch {
			case numeric(o):
				require.True(t, bounded, "%s: option %q is a number (%T) without a bound: %s", name, option, o.Default, o.Help)
			case text && perhapsNumeric.MatchString(option) && !slices.Contains(textsAfterAll, option):
				require.True(t, bounded, "%s: option %q may be a number and has no bound: %s", name, option, o.Help)
			}
		}
		for option, within := range spans[name] {
			require.Contains(t, strings.Fields(r.allow), option, name)
			o := info.Options.Get(option)
			least, err := number(o, within.least)
			require.NoError(t, err, "%s: %s", name, option)
			most, err := number(o, within.most)
			require.NoError(t, err, "%s: %s", name, option)
			require.Less(t, least, most, "%s: %s", name, option)
			if numeric(o) {
				usual, err := number(o, (&fs.Option{Default: o.Default}).String())
				require.NoError(t, err)
				require.True(t, least <= usual && usual <= most, "%s: %s: rclone's default %v is out of bounds", name, option, o.Default)
			}
		}
	}
	for name := range spans {
		require.Contains(t, rules, name)
	}
	for name, pair := range buffers {
		for _, option := range pair {
			require.Contains(t, spans[name], option)
		}
	}
}

// minimal are configurations that are allowed, to which an option is added.
func minimal(t *testing.T) map[string]map[string]string {
	t.Helper()
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	return map[string]map[string]string{
		"compress": {"type": "compress", "remote": ":s3:x"}, "ftp": {"type": "ftp", "host": "h"}, "http": {"type": "http", "url": "http://h"},
		"sftp": {"type": "sftp", "host": "h", "pass": hidden}, "smb": {"type": "smb", "host": "h"}, "webdav": {"type": "webdav", "url": "http://h"},
		"dropbox": {"type": "dropbox"}, "azureblob": {"type": "azureblob"}, "s3": {"type": "s3"},
	}
}

// A number is refused below its least and above its most, and where it is none: plain, in a
// section that is wrapped, and inline. The refusal names the option and both bounds. The operator
// may choose what he wants.
func TestNumbersAreBounded(t *testing.T) {
	sections := minimal(t)
	for name, of := range spans {
		info, err := fs.Find(name)
		require.NoError(t, err)
		for option, within := range of {
			o := info.Options.Get(option)
			least, err := number(o, within.least)
			require.NoError(t, err)
			most, err := number(o, within.most)
			require.NoError(t, err)
			for value, allowed := range map[string]bool{
				within.least: true, within.most: true, "": true, beside(o, least, -1): false, beside(o, most, 1): false,
				"x": false, beside(o, math.MaxInt64, 0): false, beside(o, math.MinInt64, 0): false, "99999999999999999999999": false,
			} {
				for where, config := range numbered(sections[name], option, value) {
					s := testRemotes(t)
					err := s.Check(dbclient.Remote{Name: "r", Path: "x"}, config)
					if allowed {
						require.NoError(t, err, "%s: %s=%s, %s", name, option, value, where)
						continue
					}
					require.Error(t, err, "a number that has no bound: %s: %s=%s, %s", name, option, value, where)
					require.ErrorContains(t, err, `option "`+option+`"`)
					require.ErrorContains(t, err, "a request may choose from "+within.least+" to "+within.most)
				}
				if value != "x" {
					_, err := New(Options{Named: dbclient.RemoteConfig{"mine": sectionWith(sections[name], option, value), "base": {"type": "s3"}}})
					require.NoError(t, err)
				}
			}
		}
	}
}

// beside is a value that is off a bound by one of the smallest unit.
func beside(o *fs.Option, n int64, by int64) string {
	if o.Name == "level" || o.Default != nil && reflect.TypeOf(o.Default).Kind() == reflect.Int {
		return strconv.FormatInt(n+by, 10)
	}
	if _, duration := o.Default.(fs.Duration); duration {
		return strconv.FormatInt(n+by, 10) + "ns"
	}
	return strconv.FormatInt(n+by, 10) + "B"
}

func sectionWith(section map[string]string, option, value string) map[string]string {
	with := map[string]string{option: value}
	for o, v := range section {
		with[o] = v
	}
	return with
}

// numbered gives a section an option: in every place where a request can write it.
func numbered(section map[string]string, option, value string) map[string]dbclient.RemoteConfig {
	pair := buffers[section["type"]]
	for i, name := range pair { // their product is another check's
		if option == name {
			partner := pair[1-i]
			section = sectionWith(section, partner, spans[section["type"]][partner].least)
		}
	}
	with := sectionWith(section, option, value)
	crypt := func(remote string) map[string]string { return map[string]string{"type": "crypt", "remote": remote} }
	inline := ":" + section["type"]
	for o, v := range with {
		if o != "type" {
			inline += "," + o + "='" + v + "'"
		}
	}
	return map[string]dbclient.RemoteConfig{
		"plain":            {"r": with},
		"not used":         {"r": {"type": "s3"}, "other": with},
		"wrapped":          {"r": crypt("base:x"), "base": with},
		"in the reference": {"r": crypt("base," + option + "='" + value + "':x"), "base": section},
		"inline":           {"r": crypt(inline + ":x")},
	}
}

// Two options that are allowed one by one may be too much together.
func TestBuffersAreBounded(t *testing.T) {
	s := testRemotes(t)
	for _, c := range []struct {
		kind, chunk, parts string
		allowed            bool
	}{
		{"s3", "64Mi", "2", true}, {"s3", "64Mi", "3", false}, {"s3", "64Mi", "", false}, {"s3", "5Mi", "64", false}, {"s3", "2Mi", "64", true}, {"s3", "", "64", false},
		{"s3", "", "25", true}, {"azureblob", "8Mi", "", true}, {"azureblob", "9Mi", "", false}, {"azureblob", "", "64", false}, {"azureblob", "", "32", true},
	} {
		err := s.Check(dbclient.Remote{Name: "r"}, dbclient.RemoteConfig{"r": {"type": c.kind, "chunk_size": c.chunk, "upload_concurrency": c.parts}})
		if c.allowed {
			require.NoError(t, err, c)
			continue
		}
		require.ErrorContains(t, err, `options "chunk_size" and "upload_concurrency"`, "%v", c)
		require.ErrorContains(t, err, "at most 128Mi", c)
	}
}

// What a bound keeps away: rclone makes a token for each connection that it may open, before it opens one.
func TestTokensAreNotMade(t *testing.T) {
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	for option, config := range map[string]map[string]string{
		"connections":            {"type": "sftp", "host": "127.0.0.1", "port": "9", "pass": hidden, "connections": "4611686018427387904"},
		"concurrency":            {"type": "ftp", "host": "127.0.0.1", "port": "9", "concurrency": "4611686018427387904"},
		"copy_total_concurrency": {"type": "azureblob", "account": "a", "key": "YQ==", "endpoint": "http://127.0.0.1:9", "copy_total_concurrency": "4611686018427387904"},
	} {
		err := attempt(t, dbclient.Remote{Name: "r", Path: "x"}, dbclient.RemoteConfig{"r": config}) // without the bound this does not end
		require.ErrorContains(t, err, `option "`+option+`"`)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before+10)
}
