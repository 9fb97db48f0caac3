package rclone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	dbclient "stasis/dbserver/client"
)

// ReadNamed reads the operator's remotes: rclone's configuration file, or the same as
// JSON, {"NAME": {"type": …}}. It warns of a file that others than its owner can read.
// No error has a value in it.
func ReadNamed(path string) (named dbclient.RemoteConfig, warning string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("--backup.remotes: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", fmt.Errorf("--backup.remotes: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("%s holds credentials and can be used by others than its owner (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	if named, err = parseNamed(raw); err != nil {
		return nil, "", fmt.Errorf("--backup.remotes %s: %w", path, err)
	}
	for name := range named {
		if name == "" || strings.ContainsAny(name, ":/,") {
			return nil, "", fmt.Errorf("--backup.remotes %s: the name %q cannot be used in NAME:PATH", path, name)
		}
	}
	return named, warning, nil
}

func parseNamed(raw []byte) (dbclient.RemoteConfig, error) {
	raw = bytes.TrimPrefix(bytes.TrimSpace(raw), []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(raw, []byte("{")) {
		var named dbclient.RemoteConfig
		if json.Unmarshal(raw, &named) != nil { // its error may quote the file
			return nil, fmt.Errorf(`want JSON: {"NAME": {"type": "…", …}}, all values strings`)
		}
		return named, nil
	}
	if bytes.Contains(raw, []byte("RCLONE_ENCRYPT_V0:")) {
		return nil, fmt.Errorf("the file is encrypted by rclone: no server can be asked for its password; store it decrypted, with mode 600")
	}
	named := dbclient.RemoteConfig{}
	section := ""
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, ";"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.TrimSpace(line[1 : len(line)-1])
			if named[section] != nil {
				return nil, fmt.Errorf("line %d: the section is there twice", i+1)
			}
			named[section] = map[string]string{}
		default:
			option, value, found := strings.Cut(line, "=")
			if !found || section == "" {
				return nil, fmt.Errorf("line %d: want [NAME], or option = value below it", i+1)
			}
			named[section][strings.TrimSpace(option)] = strings.TrimSpace(value)
		}
	}
	return named, nil
}
