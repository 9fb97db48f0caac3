package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// Paths of transfers; both are answered whatever the epoch.
const (
	PathTransfer = PathPrefix + "/transfer/start"  // TransferRequest → {}; the transfer job goes on after the answer
	PathRemote   = PathPrefix + "/transfer/remote" // RemoteRequest → RemoteResponse
)

// RemoteConfig is the configuration of remotes: options by name of the remote.
// It holds credentials: it is kept in memory only, and never printed.
type RemoteConfig map[string]map[string]string

// String keeps a configuration out of whatever is printed.
func (RemoteConfig) String() string { return "(not shown)" }

// GoString keeps a configuration out of whatever is printed.
func (RemoteConfig) GoString() string { return "(not shown)" }

// Remote is a checked remote repository.
type Remote struct {
	Name string `json:"name"` // a section of the configuration
	Path string `json:"path"` // cleaned, without a slash at the end
}

// String keeps the path out of whatever is printed: a client may have put a secret
// into it.
func (r Remote) String() string { return r.Label() }

// Label stands for a remote in the agency, in logs and for people: its name and, in
// the place of the path, the first half of the path's SHA-256. It is the same for all ways to
// write the same remote.
func (r Remote) Label() string {
	sum := sha256.Sum256([]byte(r.Path))
	return r.Name + ":#" + hex.EncodeToString(sum[:16])
}

// ParseRemote checks a remote repository, <name>:<path>, and its configuration:
// exactly one colon, and a name without a slash. If the configuration has no section of
// that name, it may be a remote of the DB servers' operator, which only they know.
// Slashes collapse, "." and ".." are resolved, and may not lead out; for the type
// "local" the path is absolute, however many slashes it begins with. What is wrong
// is [apierror.BadRemote].
func ParseRemote(repository string, config RemoteConfig) (Remote, error) {
	bad := func(format string, args ...any) (Remote, error) {
		return Remote{}, apierror.New(apierror.BadRemote, format, args...)
	}
	name, p, found := strings.Cut(repository, ":")
	if !found || strings.Contains(p, ":") {
		return bad("remote repository: want <name>:<path>, with exactly one colon")
	}
	section, known := config[name]
	if name == "" || strings.ContainsAny(name, "/,=") {
		return bad("remote repository: the part before the colon must be a name, without options: they belong into the configuration")
	}
	if known && section["type"] == "" {
		return bad("remote repository: the configuration of %q says no type", name)
	}
	absolute := strings.HasPrefix(p, "/") || section["type"] == "local"
	clean := path.Clean("/" + p)
	if clean == "/" && absolute && section["type"] == "local" {
		return bad("remote repository: the path of a local one must be a folder")
	}
	if depth(p) < 0 {
		return bad("remote repository: the path leads out of the remote")
	}
	if !absolute {
		clean = strings.TrimPrefix(clean, "/")
	}
	if clean == "/" {
		clean = ""
	}
	return Remote{Name: name, Path: clean}, nil
}

// depth is below zero if a path leads above where it begins.
func depth(p string) int {
	at := 0
	for _, part := range strings.Split(p, "/") {
		switch part {
		case "", ".":
		case "..":
			if at--; at < 0 {
				return at
			}
		default:
			at++
		}
	}
	return at
}

// MostTransfers is how many files a transfer may send or fetch at once: each has parts of
// it in memory.
const MostTransfers = 32

// TransferOptions are how a transfer is done. Zero fields take their default.
type TransferOptions struct {
	Transfers      int   `json:"transfers,omitempty"`      // files at once; 4, at most MostTransfers
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"` // of this server; 0: no limit
}

// TransferRequest has a DB server do its part of an upload or download, with the
// configuration that the agency must not see. Asked again for a transfer job that it is
// doing, or has finished, it does nothing.
type TransferRequest struct {
	Job      string          `json:"job"`
	Kind     string          `json:"kind"` // keys.TransferUpload or keys.TransferDownload
	BackupID string          `json:"backupId"`
	Source   string          `json:"source"`  // the server that made the piece
	Servers  []string        `json:"servers"` // all that made pieces: what makes the backup complete
	Remote   Remote          `json:"remote"`
	Config   RemoteConfig    `json:"config"`
	Options  TransferOptions `json:"options"`

	Trust certificate.Trust `json:"trust"` // of a download
}

// Operations of a [RemoteRequest].
const (
	RemoteList   = "list"
	RemoteDelete = "delete" // ID
	RemotePrune  = "prune"
	RemoteVerify = "verify" // ID, or all
	RemoteCheck  = "check"  // whether the configuration may be used; nothing is opened
)

// RemoteRequest asks a DB server about a remote, or has it keep order there.
type RemoteRequest struct {
	Operation string       `json:"operation"`
	ID        string       `json:"id,omitempty"`
	Remote    Remote       `json:"remote"`
	Config    RemoteConfig `json:"config"`

	Trust certificate.Trust `json:"trust"` // verify: without keys, nothing is said of signatures
}

// RemoteResponse is what was found or done.
type RemoteResponse struct {
	Backups  []RemoteBackup `json:"backups,omitempty"`  // list, verify
	Removed  int            `json:"removed"`            // objects: delete, prune
	Freed    int64          `json:"freed"`              // bytes: prune
	Kept     int            `json:"kept,omitempty"`     // blobs that are needed: prune
	Problems []string       `json:"problems,omitempty"` // verify: what is not as it should be
	Note     string         `json:"note,omitempty"`     // for people
}

// RemoteBackup is a backup at a remote. Complete: its manifest is there.
type RemoteBackup struct {
	ID                      string   `json:"id"`
	DateTime                string   `json:"datetime,omitempty"`
	Version                 string   `json:"version,omitempty"`
	Complete                bool     `json:"complete"`
	Servers                 []string `json:"servers"`           // whose pieces it has
	Missing                 []string `json:"missing,omitempty"` // whose pieces are not there, as far as known
	SizeInBytes             int64    `json:"sizeInBytes"`
	NrFiles                 int      `json:"nrFiles"`
	Damaged                 int      `json:"damaged,omitempty"` // files whose content there was found damaged, and has not been sent again
	PotentiallyInconsistent bool     `json:"potentiallyInconsistent,omitempty"`

	Signature *certificate.Signature `json:"signature,omitempty"` // verify: who has signed it, if that was asked for
}

// Transfer has the server do its part of an upload or download.
func (c *Client) Transfer(ctx context.Context, t Target, r TransferRequest) error {
	return command(ctx, c, t, PathTransfer, r)
}

// Remote asks about a remote, or has the server keep order there.
func (c *Client) Remote(ctx context.Context, t Target, r RemoteRequest) (RemoteResponse, error) {
	return call[RemoteResponse](ctx, c, t, PathRemote, r)
}
