package rclone

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

// Upload and download beside the rclone command, on the same files on the same disk and
// the same server, in one run: rounds of one after the other, whichever is first taking
// turns. The command is the one of the version that is linked here; the servers are
// processes of their own, as the command is. Reported: MB/s over all rounds, and the
// ratio of each, ours by the command's: 1 is as fast, more is faster.
//
// STASIS_RCLONE names a command that is built already; STASIS_BENCH_MB and
// STASIS_BENCH_ROUNDS the amount (256 MB) and number (5).
func BenchmarkBesideRclone(b *testing.B) {
	command := rcloneCommand(b)
	megabytes, rounds := setting(b, "STASIS_BENCH_MB", 256), setting(b, "STASIS_BENCH_ROUNDS", 5)
	root := b.TempDir()
	source := piecesAt(b, vfs.Default, mkdir(b, filepath.Join(root, "source")), megabytes*1000/3, engine.Options{})
	content, err := source.Published.Content(b.Context(), testID)
	require.NoError(b, err)
	files := filepath.Join(root, "source", "backups", testID)
	for _, s := range served(b, command) {
		b.Run(s.name, func(b *testing.B) {
			if s.missing != "" {
				b.Skip(s.missing)
			}
			var spent [4]time.Duration // ours up, theirs up, ours down, theirs down
			path, round := s.remote.Path, 0
			for range b.N * rounds {
				round++
				o := newOffice()
				s.remote.Path = fmt.Sprintf("%s/ours%d", path, round)
				target := piecesAt(b, vfs.Default, mkdir(b, filepath.Join(root, "target")), 0, engine.Options{})
				ours := func(kind string, into int) func() {
					return func() {
						store := source
						if kind == keys.TransferDownload {
							store = target
						}
						begin := time.Now()
						e := o.do(b, store, s, kind, kind, io.Discard)
						spent[into] += time.Since(begin)
						require.Equal(b, keys.TransferCompleted, e.Status, e.ErrorMessage)
						require.Equal(b, content.Bytes(), e.Progress.BytesMoved)
					}
				}
				there, back := s.remote.Name+":"+path+"/theirs"+strconv.Itoa(round), filepath.Join(root, "back")
				theirs := func(from, to string, into int) func() {
					return func() {
						begin := time.Now()
						rcloneCopy(b, command, s.config, from, to)
						spent[into] += time.Since(begin)
					}
				}
				inTurn(round, ours(keys.TransferUpload, 0), theirs(files, there, 1))
				inTurn(round, ours(keys.TransferDownload, 2), theirs(there, back, 3))
				for _, done := range []string{filepath.Join(root, "target"), back, filepath.Join(s.dir, fmt.Sprint("ours", round)), filepath.Join(s.dir, fmt.Sprint("theirs", round))} {
					require.NoError(b, os.RemoveAll(done))
				}
			}
			for i, name := range []string{"up-MB/s", "rclone-up-MB/s", "down-MB/s", "rclone-down-MB/s"} {
				b.ReportMetric(float64(content.Bytes())*float64(round)/1e6/spent[i].Seconds(), name)
			}
			b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "up-ratio")
			b.ReportMetric(spent[3].Seconds()/spent[2].Seconds(), "down-ratio")
			b.ReportMetric(float64(len(content.Files)), "files")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func inTurn(round int, one, other func()) {
	if round%2 == 0 {
		one, other = other, one
	}
	one()
	other()
}

func setting(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// rcloneCommand is the rclone command, built from its own module at the version that is
// linked here.
func rcloneCommand(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("STASIS_RCLONE"); path != "" {
		return path
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "install", "github.com/rclone/rclone@"+strings.TrimSuffix(fs.Version, "-DEV"))
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "building the rclone command: %s", out)
	return filepath.Join(dir, "rclone")
}

// rcloneCopy runs the command on a folder. The configuration comes with the environment.
func rcloneCopy(t testing.TB, command string, config dbclient.RemoteConfig, from, to string) {
	t.Helper()
	cmd := exec.Command(command, "copy", from, to, "--config", os.DevNull)
	cmd.Env = os.Environ()
	for name, section := range config {
		for option, value := range section {
			cmd.Env = append(cmd.Env, fmt.Sprintf("RCLONE_CONFIG_%s_%s=%s", strings.ToUpper(name), strings.ToUpper(option), value))
		}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// served starts the command's own servers, OpenSSH's and Apache's, as processes.
func served(t testing.TB, command string) []realRemote {
	t.Helper()
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	var all []realRemote
	for kind, about := range map[string]struct {
		flags  []string
		option map[string]string
	}{
		"s3":     {[]string{"--auth-key", accessKey + "," + secretKey}, map[string]string{"provider": "Rclone", "access_key_id": accessKey, "secret_access_key": secretKey, "endpoint": "http://127.0.0.1:PORT"}},
		"webdav": {[]string{"--user", "someone", "--pass", password}, map[string]string{"vendor": "rclone", "user": "someone", "pass": hidden, "url": "http://127.0.0.1:PORT"}},
		"sftp":   {[]string{"--user", "someone", "--pass", password, "--key", sshKey(t)}, map[string]string{"host": "127.0.0.1", "user": "someone", "pass": hidden, "port": "PORT"}},
	} {
		dir, port := mkdir(t, filepath.Join(t.TempDir(), kind)), freePort(t)
		mkdir(t, filepath.Join(dir, "bucket"))
		run(t, port, command, append([]string{"serve", kind, dir, "--addr", "127.0.0.1:" + port, "--config", os.DevNull}, about.flags...)...)
		section := map[string]string{"type": kind}
		for option, value := range maps.All(about.option) {
			section[option] = strings.Replace(value, "PORT", port, 1)
		}
		all = append(all, realRemote{name: kind, remote: dbclient.Remote{Name: kind, Path: "bucket"}, config: dbclient.RemoteConfig{kind: section}, dir: filepath.Join(dir, "bucket")})
	}
	slices.SortFunc(all, func(a, b realRemote) int { return strings.Compare(a.name, b.name) })
	return append(all, openSSH(t), apache(t))
}
