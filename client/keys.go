package client

import "context"

// SigningKeys are the keys of a cluster.
type SigningKeys struct {
	Keys   []SigningKey `json:"keys"`
	Signer string       `json:"signer,omitempty"` // id of the key that the coordinator which answers signs with; "": none
}

// SigningKey is one of them.
type SigningKey struct {
	ID     string    `json:"id"`
	Public PublicKey `json:"public"`
	Since  string    `json:"since"`
}

// keyChange is the body of a command on keys.
type keyChange struct {
	Accept *PublicKey `json:"accept,omitempty"`
	Retire string     `json:"retire,omitempty"`
}

// Keys are the public keys that sign the cluster's backups. After the loss of the cluster a
// forged backup is recognised with a copy of them that was kept elsewhere.
func (b Backups) Keys(ctx context.Context) (SigningKeys, error) {
	var all SigningKeys
	return all, b.client.backup(ctx, backupCommand{name: "keys", reads: true}, &all)
}

// AcceptKey adds a key to those of the cluster. Coordinators may have it as their key from then
// on, and backups that are signed with it are the cluster's.
func (b Backups) AcceptKey(ctx context.Context, k PublicKey) error {
	return b.client.backup(ctx, backupCommand{name: "keys", body: keyChange{Accept: &k}}, nil)
}

// RetireKey removes a key from those of the cluster. [ErrNotFound]: it has no such key. The last
// key cannot be removed.
func (b Backups) RetireKey(ctx context.Context, id string) error {
	return b.client.backup(ctx, backupCommand{name: "keys", body: keyChange{Retire: id}}, nil)
}
