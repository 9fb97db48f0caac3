package rclone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rclone/rclone/fs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/rclone/egress"
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
// [storage.Remotes].
type Remotes struct {
	policy policy
	hosts  egress.Hosts
}

// New checks what the operator says. The error is for the operator: it names sections
// and options, never values.
func New(o Options) (*Remotes, error) {
	prepare()
	s := &Remotes{policy: policy{named: o.Named}}
	for _, kind := range o.Types {
		info, err := fs.Find(strings.TrimSpace(kind))
		if err != nil || info.Hide {
			return nil, fmt.Errorf("--backup.remote-types: %q is not built in; there are %s", kind, strings.Join(Backends(), ", "))
		}
		if _, ok := rules[info.Name]; !ok {
			return nil, fmt.Errorf("--backup.remote-types: remotes of type %q cannot be configured by requests, only in the file of --backup.remotes", info.Name)
		}
		s.policy.types = append(s.policy.types, info.Name)
	}
	for _, text := range o.Hosts {
		h, err := egress.ParseHost(text)
		if err != nil {
			return nil, fmt.Errorf("--backup.remote-hosts: %w", err)
		}
		s.hosts.More = append(s.hosts.More, h)
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
		s.policy.root = root
	}
	for name, values := range s.policy.named {
		top, err := s.policy.operator(values, "", 0)
		if top != nil && top.info.Name == "local" {
			err = onlyDescribed(s.policy.root, values)
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

// Check implements [storage.Remotes]: it says whether a remote may be used, and touches
// neither it nor the disk.
func (s *Remotes) Check(r dbclient.Remote, config dbclient.RemoteConfig) error {
	_, err := s.policy.plan(r, config)
	return err
}

// Open implements [storage.Remotes]. What the configuration lacks, or may not say, is
// [apierror.BadRemote].
func (s *Remotes) Open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig, own storage.Addresses) (storage.Remote, error) {
	top, err := s.policy.plan(r, config)
	if err != nil {
		return nil, err
	}
	o := &opening{secret: &scrubber{}}
	o.learn(top)
	o.secret.learnPath(r.Path)
	if top.info.Name == "local" {
		return openFolder(s.policy.root, r.Path)
	}
	h := s.hosts
	h.Own = own
	if o.pass, err = egress.NewPass(h); err != nil {
		return nil, err
	}
	f, err := o.open(ctx, r.Name, top)
	if err != nil {
		o.close()
		return nil, err
	}
	opened := &remote{fs: f, opening: o, hashes: noHash, folders: newFolders()}
	if !f.Features().SlowHash {
		opened.hashes = f.Hashes().GetOne()
	}
	return opened, nil
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
