package backup

import (
	"encoding/json"
	"errors"

	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// keyList is an attribute that is one public key or several.
type keyList []certificate.PublicKey

// UnmarshalJSON reads a string or an array of strings. The error does not quote them: a private key
// may have been sent by mistake.
func (l *keyList) UnmarshalJSON(raw []byte) error {
	var one string
	var all []string
	switch {
	case string(raw) == "null":
		return nil
	case json.Unmarshal(raw, &one) == nil:
		all = []string{one}
	case json.Unmarshal(raw, &all) != nil || len(all) == 0:
		return errKeys
	}
	for _, text := range all {
		k, err := certificate.ParsePublicKey(text)
		if err != nil {
			return errKeys
		}
		*l = append(*l, k)
	}
	return nil
}

// parseKeys reads such an attribute by itself.
func parseKeys(raw json.RawMessage) ([]certificate.PublicKey, error) {
	var l keyList
	if len(raw) == 0 {
		return nil, nil
	}
	if l.UnmarshalJSON(raw) != nil {
		return nil, apierror.New(apierror.BadParameter, "%w", errKeys)
	}
	return l, nil
}

var errKeys = errors.New("key: want a public key, or an array of some, each of 64 hexadecimal digits")
