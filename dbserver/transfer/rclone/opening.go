package rclone

import (
	"context"
	"sync"

	"stasis/dbserver/transfer/rclone/egress"
)

// inners are the sections that wrappers of open remotes wrap, by their names: each is a
// func(ctx, root) (fs.Fs, error). See innerType.
var inners sync.Map

// opening is a remote while it is opened.
type opening struct {
	pass   *egress.Pass
	ids    []string // in inners
	unbind []func()
	secret *scrubber
}

func (o *opening) learn(top *section) {
	o.secret.learn(top.info, top.options)
	for _, inner := range top.inner {
		o.learn(inner)
	}
}

// close takes back what the remote had.
func (o *opening) close() {
	for _, id := range o.ids {
		inners.Delete(id)
	}
	o.pass.Close()
	for _, unbind := range o.unbind {
		unbind()
	}
}

// settings gives a context rclone's settings for this remote. Libraries that make a
// client of their own for OAuth take the one in the context.
func (o *opening) settings(ctx context.Context) context.Context {
	return egress.Settings(ctx, o.pass.Proxy(egress.ForHTTP))
}
