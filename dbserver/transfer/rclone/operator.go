package rclone

import (
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"
)

// operator takes a section of the operator as it is, except for the local disk, which is
// below its root for operators, too.
func (p *policy) operator(values map[string]string, at string, depth int) (*section, error) {
	if depth > deepest {
		return nil, refusal("a remote of this server refers to itself, or wraps too often")
	}
	info, err := fs.Find(values["type"])
	if err != nil || values["type"] == "" || info.Hide {
		return nil, refusal("this program knows no remote of the type that the file of --backup.remotes says; it knows %s", strings.Join(Backends(), ", "))
	}
	made := &section{info: info, options: map[string]string{}, path: at, trusted: true, inner: map[string]*section{}}
	for option, value := range values {
		if strings.HasPrefix(option, "global.") || strings.HasPrefix(option, "override.") {
			return nil, refusal("option %q in the file of --backup.remotes: a remote cannot change settings of the program", option)
		}
		if option != "type" {
			made.options[option] = value
		}
	}
	if info.Name == "local" && depth == 0 {
		return made, p.local(at)
	}
	for option := range made.options {
		if option != "remote" && option != "upstreams" {
			continue
		}
		if err := p.resolve(made, option, depth); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// resolve finds what an option of the operator's wrapper refers to. upstreams are
// separated by spaces; each may begin with <folder>=.
func (p *policy) resolve(made *section, option string, depth int) error {
	upstreams := []string{made.options[option]}
	if option == "upstreams" {
		var list fs.SpaceSepList
		if err := list.Set(made.options[option]); err != nil {
			return refusal("option \"upstreams\" in the file of --backup.remotes is no list")
		}
		upstreams = list
	}
	for _, upstream := range upstreams {
		remote := upstream
		if folder, rest, found := strings.Cut(upstream, "="); option == "upstreams" && found && !strings.ContainsAny(folder, ":,") {
			remote = rest
		}
		parsed, err := fspath.Parse(remote)
		if err != nil {
			return refusal("option %q in the file of --backup.remotes: want <name>:<path>", option)
		}
		values := map[string]string{"type": "local"}
		if kind, inline := strings.CutPrefix(parsed.Name, ":"); inline {
			values["type"] = kind
		} else if parsed.Name != "" {
			if p.named[parsed.Name] == nil {
				return refusal("option %q in the file of --backup.remotes refers to a remote that the file does not have", option)
			}
			values = p.named[parsed.Name]
		}
		merged := map[string]string{}
		for _, from := range []map[string]string{values, parsed.Config} {
			for o, v := range from {
				merged[o] = v
			}
		}
		inner, err := p.operator(merged, parsed.Path, depth+1)
		if err != nil {
			return err
		}
		if inner.info.Name == "local" {
			if err := p.local(parsed.Path); err != nil {
				return err
			}
		}
		made.inner[upstream] = inner
	}
	return nil
}
