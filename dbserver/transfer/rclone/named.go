package rclone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/unknwon/goconfig"

	dbclient "stasis/dbserver/client"
)

// ReadNamed reads the operator's remotes from rclone's configuration file, or from the same
// as JSON, {"NAME": {"type": …}}. The warning is about a file that users other than its
// owner can read. No error has a value of the file in it.
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
		return nil, fmt.Errorf("the file is encrypted by rclone: a server has no terminal to ask for its password; store it decrypted, with mode 600")
	}
	return parseINI(raw)
}

// parseINI reads a file as rclone does, with the library that rclone uses. That library
// puts options above the first section into a section of its own, and merges sections of
// one name; here both are errors, because the operator meant something else. The library's
// own error quotes a line of the file, which may hold a credential; it is not repeated.
func parseINI(raw []byte) (dbclient.RemoteConfig, error) {
	if err := checkSections(raw); err != nil {
		return nil, err
	}
	file, err := goconfig.LoadFromReader(bytes.NewReader(raw))
	if err != nil {
		var bad goconfig.ReadError
		errors.As(err, &bad) // any other kind has no line: it is line 0
		return nil, fmt.Errorf("line %d: want [NAME], or option = value below it", lineOf(raw, bad.Content))
	}
	named := dbclient.RemoteConfig{}
	for _, name := range file.GetSectionList() {
		if named[name], err = file.GetSection(name); err != nil {
			return nil, fmt.Errorf("section [%s] cannot be read", name)
		}
	}
	return named, nil
}

func checkSections(raw []byte) error {
	seen := map[string]bool{}
	for i, line := range lines(raw) {
		switch inner, header := strings.CutPrefix(line, "["); {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, ";"):
		case header && strings.HasSuffix(inner, "]"):
			name := strings.TrimSpace(strings.TrimSuffix(inner, "]"))
			if name == "" || seen[name] {
				return fmt.Errorf("line %d: the section has no name, or is there twice", i+1)
			}
			seen[name] = true
		case len(seen) == 0:
			return fmt.Errorf("line %d: want [NAME], or option = value below it", i+1)
		}
	}
	return nil
}

func lineOf(raw []byte, content string) int { return slices.Index(lines(raw), content) + 1 }

// lines are those of the file, without the blanks around them.
func lines(raw []byte) []string {
	all := strings.Split(string(raw), "\n")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
