package rclone

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/fshttp"
	"github.com/rclone/rclone/lib/oauthutil"
)

// prepare sets up what there is one of in a process: rclone logs nothing, since it may
// hold anything, and knows the backend that stands for a section.
var prepare = sync.OnceFunc(func() {
	silence()
	fs.Register(&fs.RegInfo{Name: innerType, Description: "a section of a configuration", Hide: true, NewFs: newInner})
})

// innerType is a backend that stands for a section that a wrapper wraps. rclone wants
// connection strings there: such a string would have the credentials in it, is kept by
// rclone for good, and would be completed from the environment. So the wrapper gets the
// random name of a section that is kept here while the remote is open.
const innerType = "stasissection"

func newInner(ctx context.Context, _, root string, m configmap.Mapper) (fs.Fs, error) {
	id, _ := m.Get("id")
	made, ok := inners.Load(id)
	if !ok {
		return nil, errors.New("the remote is closed")
	}
	return made.(func(context.Context, string) (fs.Fs, error))(ctx, root)
}

// newFs has rclone open a section.
func (o *opening) newFs(ctx context.Context, name string, s *section, at string) (fs.Fs, error) {
	values := configmap.Simple{}
	for option, value := range s.options {
		values[option] = value
	}
	if err := o.route(ctx, s, values); err != nil {
		return nil, err
	}
	if err := o.name(s, values); err != nil {
		return nil, err
	}
	m := configmap.New()
	m.AddGetter(values, configmap.PriorityNormal)
	m.AddGetter(defaults{s.info}, configmap.PriorityDefault)
	m.AddSetter(values) // a renewed token lives as long as this remote
	ctx, unbind := o.pass.Bound(context.WithoutCancel(ctx))
	o.unbind = append(o.unbind, unbind) // at the end: some backends keep the context
	ctx = o.settings(ctx)
	return s.info.NewFs(oauthutil.Context(ctx, fshttp.NewClient(ctx)), name, at, m)
}

// name puts names of sections in the place of what a wrapper wraps.
func (o *opening) name(s *section, values configmap.Simple) error {
	for upstream, inner := range s.inner {
		id := rand.Text()
		o.ids = append(o.ids, id)
		inners.Store(id, func(ctx context.Context, root string) (fs.Fs, error) {
			return o.newFs(ctx, "section-"+id, inner, root)
		})
		named := ":" + innerType + ",id=" + id + ":" + inner.path
		if inner.info.Name == "local" { // of the operator, and below the root
			named = inner.path
		}
		if values["remote"] == upstream {
			values["remote"] = named
			continue
		}
		var list fs.SpaceSepList
		if err := list.Set(values["upstreams"]); err != nil {
			return err
		}
		for i, u := range list {
			if u != upstream {
				continue
			}
			list[i] = named
			if folder, _, found := strings.Cut(u, "="); found && !strings.ContainsAny(folder, ":,") {
				list[i] = folder + "=" + named
			}
		}
		values["upstreams"] = list.String()
	}
	return nil
}

// defaults are a backend's own.
type defaults struct{ info *fs.RegInfo }

// Get implements configmap.Getter.
func (d defaults) Get(key string) (string, bool) {
	o := d.info.Options.Get(key)
	if o == nil {
		return "", false
	}
	return (&fs.Option{Default: o.Default}).String(), true
}
