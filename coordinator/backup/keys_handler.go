package backup

import (
	"context"
	"encoding/json"
	"net/http"

	"stasis/coordinator/backup/signing"
	"stasis/internal/apierror"
)

// keysHandler serves the command on the public keys of the cluster.
type keysHandler struct{ signer *signing.Signer }

// command tells the keys, or changes them.
func (h keysHandler) command(ctx context.Context, body json.RawMessage) (int, any, error) {
	var f struct {
		Accept keyList `json:"accept"`
		Retire string  `json:"retire"`
	}
	if body != nil {
		if err := decode("keys", body, &f); err != nil {
			return 0, nil, err
		}
	}
	switch {
	case len(f.Accept) > 0 && f.Retire != "" || len(f.Accept) > 1:
		return 0, nil, apierror.New(apierror.BadParameter, "keys: want one key in accept, or the id of one in retire")
	case len(f.Accept) == 1:
		return http.StatusOK, struct{}{}, h.signer.Accept(ctx, f.Accept[0])
	case f.Retire != "":
		return http.StatusOK, struct{}{}, h.signer.Retire(ctx, f.Retire)
	}
	found, err := h.signer.Keys(ctx)
	return http.StatusOK, found, err
}
