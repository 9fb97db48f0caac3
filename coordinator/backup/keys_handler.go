package backup

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// keys serves questions about the public keys of the cluster, and changes of them.
func (h handler) keys(ctx context.Context, body json.RawMessage) (int, any, error) {
	var f struct {
		Accept keyList `json:"accept"`
		Retire string  `json:"retire"`
	}
	if body != nil {
		if err := decode("keys", body, &f); err != nil {
			return 0, nil, err
		}
	}
	signer := h.service.signer
	switch {
	case len(f.Accept) > 0 && f.Retire != "" || len(f.Accept) > 1:
		return 0, nil, apierror.New(apierror.BadParameter, "keys: want one key in accept, or the id of one in retire")
	case len(f.Accept) == 1:
		return http.StatusOK, struct{}{}, signer.Accept(ctx, f.Accept[0])
	case f.Retire != "":
		return http.StatusOK, struct{}{}, signer.Retire(ctx, f.Retire)
	}
	found, err := signer.Keys(ctx)
	return http.StatusOK, found, err
}

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
