package rclone

import (
	"maps"
	"slices"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"

	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// plan checks a request and returns the section that its remote is. It checks all
// sections, also those that the remote does not refer to.
func (p *policy) plan(r dbclient.Remote, config dbclient.RemoteConfig) (*section, error) {
	for name, values := range config {
		if _, taken := p.named[name]; taken {
			return nil, refusal("the configuration has a section with the name of a remote of this server: its options cannot be changed by a request")
		}
		if _, err := p.request(config, values, 0); err != nil {
			return nil, err
		}
	}
	if values, ok := p.named[r.Name]; ok {
		return p.operator(values, r.Path, 0)
	}
	values, ok := config[r.Name]
	if !ok {
		return nil, refusal("the name before the colon is neither a section of the configuration nor a remote of this server (--backup.remotes)")
	}
	top, err := p.request(config, values, 0)
	if err != nil {
		return nil, err
	}
	top.path = r.Path
	if top.info.Name == "local" {
		return top, p.local(r.Path)
	}
	return top, nil
}

// request checks a section of a request.
func (p *policy) request(config dbclient.RemoteConfig, values map[string]string, depth int) (*section, error) {
	if depth > deepest {
		return nil, refusal("the configuration refers to itself, or wraps too often")
	}
	info, err := p.allowedType(values["type"])
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
		made.inner[values["remote"]], err = p.wrapped(config, values["remote"], depth)
	}
	return made, err
}

// allowedType finds a backend that requests may use.
func (p *policy) allowedType(kind string) (*fs.RegInfo, error) {
	info, err := fs.Find(kind)
	if err != nil || kind == "" || info.Hide {
		return nil, refusal("this program knows no remote of the type in the configuration; it knows %s", strings.Join(Backends(), ", "))
	}
	switch _, ruled := rules[info.Name]; {
	case !ruled:
		return nil, refusal("a remote of type %q cannot be configured by a request: %s", info.Name, operatorsFile)
	case info.Name == "local" && p.root == "":
		return nil, refusal("remotes of type \"local\" are off: this server was started without --backup.local-root")
	case p.types != nil && !slices.Contains(p.types, info.Name), p.types == nil && !byDefault(info.Name):
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
func (p *policy) wrapped(config dbclient.RemoteConfig, value string, depth int) (*section, error) {
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
	case p.named[parsed.Name] != nil:
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
	made, err := p.request(config, values, depth+1)
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
