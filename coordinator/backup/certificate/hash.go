package certificate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	dbclient "stasis/dbserver/client"
)

// Hash returns the SHA-256 of a value's canonical JSON: sorted keys, no blanks, numbers as written.
// It does not depend on how a server formats the value when it stores or sends it.
func Hash(v any) (string, error) {
	raw, err := dbclient.Encode(v)
	if err != nil {
		return "", err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return "", err
	}
	canonical, err := dbclient.Encode(tree)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
