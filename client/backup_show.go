package client

import "context"

// ShowResult is what is known of one backup without reading its data.
type ShowResult struct {
	Backup      ListedBackup `json:"backup"`
	Certificate *Certificate `json:"certificate,omitempty"` // nil: a failsafe has none, or the pieces do not agree on one
	Problems    []string     `json:"problems"`              // why the certificate is not there, or contradicts the pieces

	Unreachable []string   `json:"unreachable,omitempty"` // DB servers that did not answer in time
	ShortNames  ShortNames `json:"shortNames,omitempty"`  // of the DB servers
}

// Show returns what is known of one backup, with its certificate: how it came to be one instant, and
// what that cost writers. It reads no data; Verify does. [ErrNotFound]: there is no such backup.
func (b Backups) Show(ctx context.Context, id string) (ShowResult, error) {
	var res ShowResult
	if err := CheckID(id); err != nil {
		return res, err
	}
	return res, b.client.backup(ctx, backupCommand{name: "show", body: byID{id}, reads: true}, &res)
}
