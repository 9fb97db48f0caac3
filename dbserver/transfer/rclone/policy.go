package rclone

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// refusal is an error that says why a configuration is not used. It never has a value
// of the configuration in it.
func refusal(format string, args ...any) error {
	return apierror.New(apierror.BadRemote, format, args...)
}

const (
	operatorsFile = "define the remote in the file of --backup.remotes and give its name"
	// deepest is how far wrappers may wrap wrappers.
	deepest = 8
)

// Check implements storage.Remotes: it says whether a remote may be used, and touches
// neither it nor the disk.
func (s *Remotes) Check(r dbclient.Remote, config dbclient.RemoteConfig) error {
	_, err := s.plan(r, config)
	return err
}

// plan checks a request and gives the section that its remote is. All sections are
// checked, also those that the remote does not refer to.
func (s *Remotes) plan(r dbclient.Remote, config dbclient.RemoteConfig) (*section, error) {
	for name, values := range config {
		if _, taken := s.named[name]; taken {
			return nil, refusal("the configuration has a section with the name of a remote of this server: its options cannot be changed by a request")
		}
		if _, err := s.request(config, values, 0); err != nil {
			return nil, err
		}
	}
	if values, ok := s.named[r.Name]; ok {
		return s.operator(values, r.Path, 0)
	}
	values, ok := config[r.Name]
	if !ok {
		return nil, refusal("the name before the colon is neither a section of the configuration nor a remote of this server (--backup.remotes)")
	}
	top, err := s.request(config, values, 0)
	if err != nil {
		return nil, err
	}
	top.path = r.Path
	if top.info.Name == "local" {
		return top, s.local(r.Path)
	}
	return top, nil
}

// section is a backend with options that have been checked.
type section struct {
	info    *fs.RegInfo
	options map[string]string
	path    string
	trusted bool // the operator's
	inner   map[string]*section
}

// request checks a section of a request.
func (s *Remotes) request(config dbclient.RemoteConfig, values map[string]string, depth int) (*section, error) {
	if depth > deepest {
		return nil, refusal("the configuration refers to itself, or wraps too often")
	}
	info, err := s.allowedType(values["type"])
	if err != nil {
		return nil, err
	}
	made := &section{info: info, options: map[string]string{}, inner: map[string]*section{}}
	r := rules[info.Name]
	allowed := strings.Fields(r.allow)
	for option, value := range values {
		switch {
		case option == "type":
		case slices.Contains(allowed, option):
			if err := checkNumber(info, option, value); err != nil {
				return nil, err
			}
			made.options[option] = value
		case harmlessly(info, option, value):
		case depth == 0 && failpoint.Off("options-are-listed"), depth > 0 && failpoint.Off("wrapped-options-are-listed"):
			made.options[option] = value
		default:
			return nil, refuseOption(info, r, option)
		}
	}
	if err := checkBuffers(info, made.options); err != nil {
		return nil, err
	}
	if r.check != nil {
		if err := r.check(made.options); err != nil {
			return nil, err
		}
	}
	if r.wraps {
		made.inner[values["remote"]], err = s.wrapped(config, values["remote"], depth)
	}
	return made, err
}

// allowedType finds a backend that requests may use.
func (s *Remotes) allowedType(kind string) (*fs.RegInfo, error) {
	info, err := fs.Find(kind)
	if err != nil || kind == "" || info.Hide {
		return nil, refusal("this program knows no remote of the type in the configuration; it knows %s", strings.Join(Backends(), ", "))
	}
	switch _, ruled := rules[info.Name]; {
	case !ruled:
		return nil, refusal("a remote of type %q cannot be configured by a request: %s", info.Name, operatorsFile)
	case info.Name == "local" && s.root == "":
		return nil, refusal("remotes of type \"local\" are off: this server was started without --backup.local-root")
	case s.types != nil && !slices.Contains(s.types, info.Name), s.types == nil && !byDefault(info.Name):
		return nil, refusal("remotes of type %q are not among those that --backup.remote-types allows", info.Name)
	}
	return info, nil
}

// harmlessly says that an option is set to what it is anyway: rclone's own files often
// have env_auth=false.
func harmlessly(info *fs.RegInfo, option, value string) bool {
	o := info.Options.Get(option)
	return o != nil && (value == "" || value == (&fs.Option{Default: o.Default}).String())
}

// refuseOption names the option, if it is a word of rclone's: what a client wrote in
// its place may be anything.
func refuseOption(info *fs.RegInfo, r rule, option string) error {
	if why := r.refuse[option]; why != "" {
		return refusal("option %q of a remote of type %q is not for requests: %s; %s", option, info.Name, why, operatorsFile)
	}
	for _, prefix := range []string{"global.", "override."} {
		if strings.HasPrefix(option, prefix) {
			return refusal("options that begin with %q are not for requests: the configuration of a remote cannot change settings of the program", prefix)
		}
	}
	for _, other := range fs.Registry {
		if other.Options.Get(option) != nil {
			return refusal("option %q is not one that a request may set for a remote of type %q", option, info.Name)
		}
	}
	return refusal("the configuration of a remote of type %q has an option that rclone does not know", info.Name)
}

// wrapped checks what a wrapper wraps: <section>:<path>, <section>,<option>=<value>…:<path>
// or :<type>,<option>=<value>…:<path>, all under the same rules.
func (s *Remotes) wrapped(config dbclient.RemoteConfig, value string, depth int) (*section, error) {
	parsed, err := fspath.Parse(value)
	if err != nil {
		return nil, refusal("option \"remote\": want <section>:<path>")
	}
	values := map[string]string{}
	switch kind, inline := strings.CutPrefix(parsed.Name, ":"); {
	case parsed.Name == "":
		return nil, refusal("option \"remote\" names a file of the server: want <section>:<path>")
	case inline:
		values["type"] = kind
	case s.named[parsed.Name] != nil:
		return nil, refusal("option \"remote\" names a remote of this server, which a request cannot wrap: define the wrapper in the file of --backup.remotes too")
	case config[parsed.Name] == nil:
		return nil, refusal("option \"remote\" refers to a section that the configuration does not have")
	default:
		maps.Copy(values, config[parsed.Name])
	}
	for option := range parsed.Config {
		if option == "type" {
			return nil, refusal("option \"remote\" changes the type of a section")
		}
	}
	unchecked := failpoint.Off("inline-options-are-listed")
	if !unchecked {
		maps.Copy(values, parsed.Config)
	}
	made, err := s.request(config, values, depth+1)
	if err != nil {
		return nil, err
	}
	if unchecked {
		maps.Copy(made.options, parsed.Config)
	}
	if made.info.Name == "local" {
		return nil, refusal("a request cannot wrap a remote of type \"local\": %s", operatorsFile)
	}
	made.path = parsed.Path
	return made, nil
}

// local checks the path of a local remote: what is on the disk is looked at when it is
// opened.
func (s *Remotes) local(p string) error {
	if s.root == "" {
		return refusal("remotes of type \"local\" are off: this server was started without --backup.local-root")
	}
	if _, ok := s.below(p); !ok {
		return refusal("the path of a remote of type \"local\" must be a folder below %s (--backup.local-root)", s.root)
	}
	return nil
}

// below gives a path relative to the root of local remotes.
func (s *Remotes) below(p string) (string, bool) {
	rel, err := filepath.Rel(s.root, filepath.FromSlash(path.Clean("/"+p)))
	inside := filepath.IsLocal(rel) && rel != "." || failpoint.Off("local-is-below-root")
	return rel, s.root != "" && err == nil && inside
}

// operator takes a section of the operator as it is, but for the local disk: that is
// below its root for everybody.
func (s *Remotes) operator(values map[string]string, at string, depth int) (*section, error) {
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
		return made, s.local(at)
	}
	for option := range made.options {
		if option != "remote" && option != "upstreams" {
			continue
		}
		if err := s.resolve(made, option, depth); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// resolve finds what an option of the operator's wrapper refers to. upstreams are
// separated by spaces; each may begin with <folder>=.
func (s *Remotes) resolve(made *section, option string, depth int) error {
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
			if s.named[parsed.Name] == nil {
				return refusal("option %q in the file of --backup.remotes refers to a remote that the file does not have", option)
			}
			values = s.named[parsed.Name]
		}
		merged := map[string]string{}
		for _, from := range []map[string]string{values, parsed.Config} {
			for o, v := range from {
				merged[o] = v
			}
		}
		inner, err := s.operator(merged, parsed.Path, depth+1)
		if err != nil {
			return err
		}
		if inner.info.Name == "local" {
			if err := s.local(parsed.Path); err != nil {
				return err
			}
		}
		made.inner[upstream] = inner
	}
	return nil
}
