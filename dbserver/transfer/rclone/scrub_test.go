package rclone

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"
)

// What a remote repeats of a request in an error, in whatever form, is blacked out:
// also a part of an option that is a list, JSON or a key, and a password inside of
// what was encoded together with something else.
func TestScrubber(t *testing.T) {
	const secret = `se<cr>&t+/ ä"\x`
	hidden, err := obscure.Obscure(secret)
	require.NoError(t, err)
	token, err := json.Marshal(map[string]any{"access_token": "access-" + secret, "nested": []string{"refresh-token"}})
	require.NoError(t, err)
	s := &scrubber{}
	learn := func(kind string, section map[string]string) {
		info, err := fs.Find(kind)
		require.NoError(t, err)
		s.learn(info, section)
	}
	learn("webdav", map[string]string{"user": "someone", "pass": hidden, "headers": "X-Key,header-value,Y,another value", "url": "https://in:url-password@host/x"})
	learn("dropbox", map[string]string{"token": string(token)})
	learn("sftp", map[string]string{"key_pem": `-----BEGIN KEY-----\nline-one-of-key\nline-two-of-key\n-----END KEY-----`})
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	for _, form := range []string{
		secret, hidden, fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret), string(quoted), url.QueryEscape(secret), url.PathEscape(secret),
		html.EscapeString(secret), fmt.Sprintf("%x", secret), "header-value", "another value", "url-password",
		"access-" + secret, "refresh-token", "line-one-of-key", "line-two-of-key",
	} {
		require.Equal(t, "at ***: no", strings.ReplaceAll(s.text("at "+form+": no"), `"`, ""), "%s", form)
	}
	for _, user := range []string{"", "u", "us", "use", "someone"} {
		for _, rest := range []string{"", "1", "12", "123"} {
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
				got := s.text("Basic " + e.EncodeToString([]byte(user+":"+secret+rest)) + " was refused")
				require.Regexp(t, `^Basic .{0,8}\*\*\*.{0,6} was refused$`, got)
				require.NotContains(t, got, e.EncodeToString([]byte(secret))[4:8])
			}
		}
	}
	require.Equal(t, "dial tcp 127.0.0.1:5 of https://***@host/x", s.text("dial tcp 127.0.0.1:5 of https://in:url-password@host/x"))
	require.Equal(t, "an error without anything of it", s.text("an error without anything of it"))
}
