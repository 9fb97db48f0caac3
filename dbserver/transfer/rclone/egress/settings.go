package egress

import (
	"context"
	"time"

	"github.com/rclone/rclone/fs"
)

// ConnectTimeout bounds how long a connection may take to be made.
const ConnectTimeout = 15 * time.Second

// Bounds of one call to a remote, beside ConnectTimeout. The caller of the remote repeats
// what fails.
const (
	silenceTimeout  = time.Minute // without a byte
	lowLevelRetries = 2
)

// Settings gives a context rclone's settings; those of the process stay as they are.
// HTTP clients that are made with it connect through the proxy, which is [Pass.Proxy]'s.
func Settings(ctx context.Context, proxy string) context.Context {
	ctx, c := fs.AddConfig(ctx)
	c.LogLevel = fs.LogLevelOff
	c.LowLevelRetries = lowLevelRetries
	c.ConnectTimeout = fs.Duration(ConnectTimeout)
	c.Timeout = fs.Duration(silenceTimeout)
	c.UseServerModTime = true // saves a request for a time that nothing reads
	c.HTTPProxy = "socks5://" + proxy
	return ctx
}
