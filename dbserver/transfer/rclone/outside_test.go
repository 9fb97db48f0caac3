package rclone

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"

	dbclient "stasis/dbserver/client"
)

// Servers of other projects, run as processes on loopback with their own
// configuration, keys and folders. `.ci/run` installs them where it can; elsewhere
// their tests skip, and say so.

// program finds a server's program: "" and why not.
func program(name, ofPackage string) (path, missing string) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name), ""
		}
	}
	return "", fmt.Sprintf("NOT TESTED: %s is not installed (Debian package %s)", name, ofPackage)
}

// freePort is a port on loopback at which no process listens now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// run starts a server as a process group of its own, waits until it listens at the
// port, and ends it with the test.
func run(t testing.TB, port, path string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // what it has started may outlive it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its children too
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill %s: %v", path, err)
		}
		<-ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			require.NoError(t, conn.Close())
			return
		}
		select {
		case err := <-ended:
			ended <- err
			require.Fail(t, "the server ended", "%s: %v\n%s", path, err, said.String())
		case <-ctx.Done():
			require.NoError(t, err, "%s does not listen", path)
		case <-tick.C:
		}
	}
}

// openSSH is OpenSSH's sftp, with a key instead of a password.
func openSSH(t testing.TB) realRemote {
	s := realRemote{name: "openssh"}
	sshd, missing := program("sshd", "openssh-server")
	if s.missing = missing; missing != "" {
		return s
	}
	me, err := user.Current()
	require.NoError(t, err)
	if me.Uid == "0" {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // where it separates its privileges; fixed when it was built
	}
	dir, files, port := t.TempDir(), mkdir(t, filepath.Join(t.TempDir(), "files")), freePort(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	authorized, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	write(t, filepath.Join(dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(authorized)))
	config := write(t, filepath.Join(dir, "sshd_config"), fmt.Sprintf(`
ListenAddress 127.0.0.1:%s
HostKey %s
PidFile none
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp -d %s
`, port, sshKey(t), filepath.Join(dir, "authorized_keys"), files))
	run(t, port, sshd, "-D", "-e", "-f", config)
	pemKey := strings.ReplaceAll(strings.TrimSpace(string(pem.EncodeToMemory(block))), "\n", `\n`) // on one line, as rclone wants it
	s.remote = dbclient.Remote{Name: "o", Path: "deep/backups"}
	s.config = dbclient.RemoteConfig{"o": {"type": "sftp", "host": "127.0.0.1", "port": port, "user": me.Username, "key_pem": pemKey}}
	s.dir, s.secrets = filepath.Join(files, "deep", "backups"), strings.Split(pemKey, `\n`)[1:3]
	return s
}

// apache is Apache's WebDAV, with a password.
func apache(t testing.TB) realRemote {
	s := realRemote{name: "apache"}
	httpd, missing := program("apache2", "apache2-bin")
	if s.missing = missing; missing != "" {
		return s
	}
	const modules = "/usr/lib/apache2/modules/"
	dir, err := os.MkdirTemp("", "stasis-apache-") // t.TempDir is below a folder that no other user may enter
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	files, port := mkdir(t, filepath.Join(dir, "files")), freePort(t)
	as := ""
	if os.Getuid() == 0 { // it refuses to serve as root
		as = "User nobody\nGroup nogroup"
		for _, d := range []string{dir, files} {
			require.NoError(t, os.Chmod(d, 0o777))
		}
	}
	crypted, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	write(t, filepath.Join(dir, "users"), "someone:"+string(crypted)+"\n")
	var config strings.Builder
	for _, m := range []string{"mpm_event", "dav", "dav_fs", "dav_lock", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic"} {
		fmt.Fprintf(&config, "LoadModule %s_module %smod_%s.so\n", m, modules, m)
	}
	fmt.Fprintf(&config, `
%s
ServerName localhost
Listen 127.0.0.1:%s
ServerRoot %s
PidFile %[3]s/pid
DefaultRuntimeDir %[3]s
ErrorLog %[3]s/error.log
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
DocumentRoot %[4]s
DavLockDB %[3]s/locks
<Directory %[4]s>
  Dav On
  AuthType Basic
  AuthName backups
  AuthBasicProvider file
  AuthUserFile %[3]s/users
  Require valid-user
</Directory>
`, as, port, dir, files)
	run(t, port, httpd, "-X", "-f", write(t, filepath.Join(dir, "apache2.conf"), config.String()))
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	s.remote = dbclient.Remote{Name: "a", Path: "deep/backups"}
	s.config = dbclient.RemoteConfig{"a": {"type": "webdav", "vendor": "other", "url": "http://127.0.0.1:" + port, "user": "someone", "pass": hidden}}
	s.dir, s.secrets = filepath.Join(files, "deep", "backups"), []string{password, hidden}
	return s
}

func write(t testing.TB, path, content string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}
