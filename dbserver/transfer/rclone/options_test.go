package rclone

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// Every option of every backend that requests may use was looked at: it is allowed or
// refused. A new version of rclone that has another one fails here, until a developer has read what it
// does. The lists name nothing that rclone does not have.
func TestEveryOptionIsClassified(t *testing.T) {
	for _, info := range fs.Registry {
		r, ok := rules[info.Name]
		if !ok {
			require.True(t, All() || info.Hide, "%s is built in by default and has no rule", info.Name)
			continue
		}
		allowed := strings.Fields(r.allow)
		known := map[string]bool{}
		for _, o := range info.Options {
			known[o.Name] = true
			_, refused := r.refuse[o.Name]
			require.True(t, refused != slices.Contains(allowed, o.Name), "%s: option %q has to be either allowed or refused: %s", info.Name, o.Name, o.Help)
			if slices.Contains(allowed, o.Name) && !o.IsPassword {
				require.NotRegexp(t, `(_file|_command|_path|_socket|env_auth)$|^ask_`, o.Name, "%s: %s", info.Name, o.Help)
				require.NotContains(t, o.Help, "will be expanded in the file name", "%s: %s", info.Name, o.Name)
			}
		}
		for _, name := range allowed {
			require.True(t, known[name], "%s has no option %q", info.Name, name)
		}
		for name := range r.refuse {
			require.True(t, known[name], "%s has no option %q", info.Name, name)
		}
		require.Equal(t, r.wraps, info.Options.Get("remote") != nil, info.Name)
	}
	for name := range rules {
		_, err := fs.Find(name)
		require.NoError(t, err)
	}
}

// FuzzRemoteConfiguration gives any repository and configuration to the check. What it
// lets pass is looked at with other eyes: the very options that rclone would get.
func FuzzRemoteConfiguration(f *testing.F) {
	for _, a := range attacks(f, "/tmp/script", "127.0.0.1:9") {
		raw, err := json.Marshal(a.config)
		require.NoError(f, err)
		f.Add("r:x", string(raw))
	}
	for _, repository := range []string{"r:x", "named:x", "r:../x", "r,ssh=x:y", ":sftp,ssh=x:y", "r:/tmp/x", "r://x"} {
		f.Add(repository, `{"r":{"type":"local"}}`)
		f.Add(repository, `{"r":{"type":"crypt","remote":"a,description=x:y","password":"x"},"a":{"type":"compress","remote":":s3,provider=Other:z"}}`)
	}
	s, err := New(Options{LocalRoot: f.TempDir(), Types: testRemotes(f).policy.types, Named: dbclient.RemoteConfig{"named": {"type": "webdav", "url": "http://x", "bearer_token_command": "/bin/x"}}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, repository, raw string) {
		var config dbclient.RemoteConfig
		if json.Unmarshal([]byte(raw), &config) != nil {
			return
		}
		r, err := dbclient.ParseRemote(repository, config)
		if err != nil {
			return
		}
		top, err := s.policy.plan(r, config)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			for _, section := range config {
				for option, value := range section {
					if len(value) >= 12 && option != "type" && strings.ContainsAny(value, "0123456789") && !strings.Contains(s.policy.root, value) { // no words of ours
						require.NotContains(t, err.Error(), value, "the refusal repeats a value")
					}
				}
			}
			return
		}
		if r.Name == "named" {
			require.True(t, top.trusted)
			return
		}
		requireHarmless(t, s, top, 0)
	})
}

// never are parts of names of options that reach for the server.
var never = []string{"command", "_file", "key_use_agent", "ssh", "env_auth", "socket", "profile", "kerberos", "msi", "use_az", "proxy", "copy_links", "global.", "override.", "certificate_path", "role_", "ask_"}

func requireHarmless(t *testing.T, s *Remotes, top *section, depth int) {
	t.Helper()
	require.False(t, top.trusted)
	require.Contains(t, s.policy.types, top.info.Name)
	if top.info.Name == "local" {
		require.Zero(t, depth)
		require.True(t, strings.HasPrefix(top.path, s.policy.root+"/"))
		require.NotContains(t, top.path, "..")
	}
	o := &opening{secret: &scrubber{}}
	values := configmap.Simple{}
	for option, value := range top.options {
		values[option] = value
		require.NotNil(t, top.info.Options.Get(option), option)
		for _, word := range never {
			require.NotContains(t, option, word)
		}
	}
	require.NoError(t, o.name(top, values))
	if top.info.Options.Get("remote") != nil { // rclone itself says what it would open
		info, _, _, _, err := fs.ConfigFs(values["remote"])
		require.NoError(t, err, values["remote"])
		require.Equal(t, innerType, info.Name)
		require.Len(t, top.inner, 1)
	}
	for _, id := range o.ids {
		inners.Delete(id)
	}
	for _, inner := range top.inner {
		requireHarmless(t, s, inner, depth+1)
	}
}

// A backend without a rule, as most of the build with all backends are, is the operator's alone:
// plain, wrapped and inline.
func TestBackendWithoutRule(t *testing.T) {
	r := rules["dropbox"]
	delete(rules, "dropbox")
	defer func() { rules["dropbox"] = r }()
	s, err := New(Options{Named: dbclient.RemoteConfig{"mine": {"type": "dropbox"}}})
	require.NoError(t, err)
	for _, config := range []dbclient.RemoteConfig{
		{"r": {"type": "dropbox"}},
		{"r": {"type": "s3"}, "other": {"type": "dropbox"}},
		{"r": {"type": "crypt", "remote": "base:x"}, "base": {"type": "dropbox"}},
		{"r": {"type": "crypt", "remote": ":dropbox:x"}},
	} {
		require.ErrorContains(t, s.Check(dbclient.Remote{Name: "r", Path: "x"}, config), `a remote of type "dropbox" cannot be configured by a request`)
	}
	require.NoError(t, s.Check(dbclient.Remote{Name: "mine", Path: "x"}, nil))
	_, err = New(Options{Types: []string{"dropbox"}})
	require.ErrorContains(t, err, "only in the file of --backup.remotes")
}
