package rclone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/fshttp"
	"github.com/rclone/rclone/lib/oauthutil"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
)

// Options are what the operator of a server says about remotes.
type Options struct {
	Named     dbclient.RemoteConfig // the operator's remotes; see ReadNamed
	Types     []string              // backends that requests may use; nil: those that are built in, but "memory"
	LocalRoot string                // what is below it may be a remote of type "local"; "": nothing
	Hosts     []string              // where remotes may be in spite of the rule: HOST, HOST:PORT, address or network
}

// Remotes opens remotes for requests, by the rules of the operator. It implements
// storage.Remotes.
type Remotes struct {
	named dbclient.RemoteConfig
	types []string
	root  string
	hosts hosts
}

// New checks what the operator says. The error is for the operator: it names sections
// and options, never values.
func New(o Options) (*Remotes, error) {
	prepare()
	s := &Remotes{named: o.Named}
	for _, kind := range o.Types {
		info, err := fs.Find(strings.TrimSpace(kind))
		if err != nil || info.Hide {
			return nil, fmt.Errorf("--backup.remote-types: %q is not built in; there are %s", kind, strings.Join(Backends(), ", "))
		}
		if _, ok := rules[info.Name]; !ok {
			return nil, fmt.Errorf("--backup.remote-types: remotes of type %q cannot be configured by requests, only in the file of --backup.remotes", info.Name)
		}
		s.types = append(s.types, info.Name)
	}
	for _, text := range o.Hosts {
		h, err := parseHost(text)
		if err != nil {
			return nil, fmt.Errorf("--backup.remote-hosts: %w", err)
		}
		s.hosts.more = append(s.hosts.more, h)
	}
	if o.LocalRoot != "" {
		root, err := filepath.Abs(o.LocalRoot)
		if err != nil {
			return nil, fmt.Errorf("--backup.local-root: %w", err)
		}
		if info, err := os.Stat(root); err != nil {
			return nil, fmt.Errorf("--backup.local-root: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("--backup.local-root: %s is not a directory", root)
		}
		s.root = root
	}
	for name, values := range s.named {
		top, err := s.operator(values, "", 0)
		if top != nil && top.info.Name == "local" {
			err = onlyDescribed(s.root, values)
		}
		if err != nil {
			return nil, fmt.Errorf("--backup.remotes: [%s]: %w", name, err)
		}
	}
	return s, nil
}

// onlyDescribed refuses what the server would not do with a local remote of the
// operator.
func onlyDescribed(root string, values map[string]string) error {
	if root == "" {
		return errors.New("a remote of type \"local\" needs --backup.local-root")
	}
	for option := range values {
		if option != "type" && option != "description" {
			return fmt.Errorf("option %q: a remote of type \"local\" has no options", option)
		}
	}
	return nil
}

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

// inners are those sections by their names: func(ctx, root) (fs.Fs, error).
var inners sync.Map

func newInner(ctx context.Context, _, root string, m configmap.Mapper) (fs.Fs, error) {
	id, _ := m.Get("id")
	made, ok := inners.Load(id)
	if !ok {
		return nil, errors.New("the remote is closed")
	}
	return made.(func(context.Context, string) (fs.Fs, error))(ctx, root)
}

// opening is a remote while it is opened.
type opening struct {
	remotes *Remotes
	pass    *pass
	ids     []string // in inners
	unbind  []func()
	secret  *scrubber
}

// Open implements storage.Remotes. What the configuration lacks, or may not say, is
// apierror.BadRemote.
func (s *Remotes) Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, own storage.Addresses) (storage.Remote, error) {
	top, err := s.plan(r, config)
	if err != nil {
		return nil, err
	}
	o := &opening{remotes: s, secret: &scrubber{}}
	o.learn(top)
	o.secret.learnPath(r.Path)
	if top.info.Name == "local" {
		return openFolder(s.root, r.Path)
	}
	h := s.hosts
	h.own = own
	if o.pass, err = newPass(h); err != nil {
		return nil, err
	}
	f, err := o.open(ctx, r.Name, top)
	if err != nil {
		o.close()
		return nil, err
	}
	opened := &remote{fs: f, opening: o, hashes: noHash, listed: map[string]fs.Object{}, made: map[string]bool{}}
	if !f.Features().SlowHash {
		opened.hashes = f.Hashes().GetOne()
	}
	return opened, nil
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
	o.pass.close()
	for _, unbind := range o.unbind {
		unbind()
	}
}

var errIsFile error = apierror.New(apierror.BadRemote, "the remote path is a file")

func (o *opening) open(ctx context.Context, name string, top *section) (f fs.Fs, err error) {
	defer func() { // outermost: a panic is refused too
		if err != nil && !errors.Is(err, apierror.BadRemote) {
			err = apierror.New(apierror.BadRemote, "open remote of type %s: %w", top.info.Name, err)
		}
	}()
	defer guard(&err)
	f, err = o.newFs(ctx, name, top, top.path)
	if errors.Is(err, fs.ErrorIsFile) { // some guess so when the server does not answer; a slash says that it is none
		f, err = o.newFs(ctx, name, top, top.path+"/")
	}
	if errors.Is(err, fs.ErrorIsFile) {
		if f == nil {
			return nil, errIsFile
		}
		// A wrapper takes the slash away again; what cannot be listed is no file, but says why.
		if _, err = f.List(o.settings(ctx), ""); err == nil || errors.Is(err, fs.ErrorDirNotFound) {
			return nil, errIsFile
		}
	}
	if err != nil && !errors.Is(err, apierror.BadRemote) {
		err = o.explain(err)
	}
	return f, err
}

// settings gives a context rclone's settings for this remote. Libraries that make a
// client of their own for OAuth take the one in the context.
func (o *opening) settings(ctx context.Context) context.Context {
	return settings(ctx, o.pass)
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
	ctx, unbind := o.pass.bound(context.WithoutCancel(ctx))
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
