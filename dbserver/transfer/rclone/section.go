package rclone

import (
	"path"
	"path/filepath"

	"github.com/rclone/rclone/fs"

	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// deepest is how far wrappers may wrap wrappers.
const deepest = 8

// policy is what the operator allows, and decides about configurations. It touches neither
// a remote nor the disk.
type policy struct {
	named dbclient.RemoteConfig // the operator's remotes
	types []string              // that requests may use; nil: the default
	root  string                // of local remotes; "": there are none
}

// section is a backend with options that have been checked.
type section struct {
	info    *fs.RegInfo
	options map[string]string
	path    string
	trusted bool // the operator's
	inner   map[string]*section
}

// local checks the path of a local remote. What is on the disk is checked when the remote
// is opened.
func (p *policy) local(at string) error {
	if p.root == "" {
		return refusal("remotes of type \"local\" are off: this server was started without --backup.local-root")
	}
	if _, ok := p.below(at); !ok {
		return refusal("the path of a remote of type \"local\" must be a folder below %s (--backup.local-root)", p.root)
	}
	return nil
}

// below returns a path relative to the root of local remotes.
func (p *policy) below(at string) (string, bool) {
	rel, err := filepath.Rel(p.root, filepath.FromSlash(path.Clean("/"+at)))
	inside := filepath.IsLocal(rel) && rel != "." || failpoint.Off("local-is-below-root")
	return rel, p.root != "" && err == nil && inside
}
