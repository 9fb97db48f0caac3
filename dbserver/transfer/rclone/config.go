package rclone

import (
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"

	"stasis/dbserver/client"
	"stasis/internal/apierror"
)

// builder turns sections of a configuration into option maps.
type builder struct {
	config client.RemoteConfig
	secret *scrubber
}

func newBuilder(config client.RemoteConfig) (*builder, error) {
	b := &builder{config: config, secret: &scrubber{}}
	for _, section := range config {
		info, err := fs.Find(section["type"])
		if err != nil {
			return nil, apierror.New(apierror.BadRemote, "this program knows no remote of the type in the configuration; it knows %s", strings.Join(Backends(), ", "))
		}
		b.secret.learn(info, section)
	}
	return b, nil
}

// deepest is how far wrappers may wrap wrappers.
const deepest = 8

// section gives the backend of a section, and its options: what the request says,
// otherwise the default.
func (b *builder) section(name string, depth int) (*fs.RegInfo, *configmap.Map, error) {
	section, known := b.config[name]
	if !known || depth > deepest {
		return nil, nil, apierror.New(apierror.BadRemote, "the configuration refers to a section that it does not have, or to itself")
	}
	info, err := fs.Find(section["type"])
	if err != nil {
		return nil, nil, apierror.New(apierror.BadRemote, "unknown type of remote")
	}
	values := configmap.Simple{}
	for option, value := range section {
		if strings.HasPrefix(option, "global.") || strings.HasPrefix(option, "override.") {
			return nil, nil, apierror.New(apierror.BadRemote, "the configuration of a remote cannot change settings of the program")
		}
		if option == "remote" {
			if value, err = b.wrapped(value, depth); err != nil {
				return nil, nil, err
			}
		}
		values[option] = value
	}
	m := configmap.New()
	m.AddGetter(values, configmap.PriorityNormal)
	m.AddGetter(defaults{info}, configmap.PriorityDefault)
	m.AddSetter(values) // a renewed token lives as long as this remote
	return info, m, nil
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

// wrapped turns <section>:<path> into a connection string, so that rclone does not
// look for the section in a configuration file.
func (b *builder) wrapped(value string, depth int) (string, error) {
	if strings.HasPrefix(value, ":") || strings.HasPrefix(value, "/") {
		return value, nil
	}
	name, path, found := strings.Cut(value, ":")
	if !found {
		return "", apierror.New(apierror.BadRemote, "a wrapped remote must be <section>:<path>")
	}
	info, _, err := b.section(name, depth+1)
	if err != nil {
		return "", err
	}
	inner := configmap.Simple{}
	for option, v := range b.config[name] {
		if option == "remote" {
			if v, err = b.wrapped(v, depth+1); err != nil {
				return "", err
			}
		}
		if option != "type" {
			inner[option] = v
		}
	}
	s := ":" + info.Name
	if len(inner) > 0 {
		s += "," + inner.String()
	}
	return s + ":" + path, nil
}
