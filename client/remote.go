package client

import (
	"encoding/json"
	"errors"
)

// Remote says where backups are kept besides the cluster.
type Remote struct {
	Path   string       `json:"remoteRepository"` // NAME:PATH; NAME is a section of Config, or a remote that the DB servers know
	Config RemoteConfig `json:"config"`
}

// RemoteConfig is the configuration of remotes as rclone has it: options by name of the
// remote. It holds credentials. It is sent with each request, kept in memory only, and is
// not shown when it is printed.
type RemoteConfig map[string]map[string]string

// String keeps a configuration out of what is printed.
func (RemoteConfig) String() string { return "(not shown)" }

// GoString keeps a configuration out of what is printed.
func (RemoteConfig) GoString() string { return "(not shown)" }

// ErrRemoteConfig is the error of [ParseRemoteConfig]. It quotes nothing of the configuration.
var ErrRemoteConfig = errors.New(`the configuration of remotes: want a JSON object of sections, {"NAME": {"type": "s3", …}}, whose options are strings, numbers or booleans`)

// ParseRemoteConfig reads a configuration. Options that are numbers or booleans become what
// is written; null as a whole is no configuration.
func ParseRemoteConfig(raw json.RawMessage) (RemoteConfig, error) {
	var sections map[string]map[string]json.RawMessage
	if len(raw) == 0 {
		return RemoteConfig{}, nil
	}
	if json.Unmarshal(raw, &sections) != nil {
		return nil, ErrRemoteConfig
	}
	config := RemoteConfig{}
	for name, options := range sections {
		config[name] = map[string]string{}
		for option, raw := range options {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				if text = string(raw); text[0] == '{' || text[0] == '[' {
					return nil, ErrRemoteConfig
				}
			}
			config[name][option] = text
		}
	}
	return config, nil
}
