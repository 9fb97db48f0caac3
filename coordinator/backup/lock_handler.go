package backup

import (
	"context"
	"encoding/json"
	"net/http"

	"stasis/internal/apierror"
)

// lockHandler serves the command that shows the agency lock, and breaks it.
type lockHandler struct{ service *Service }

func (h lockHandler) serve(ctx context.Context, body json.RawMessage) (int, any, error) {
	var f struct {
		Break *struct {
			Value string `json:"value"`
			Nonce string `json:"nonce"`
		} `json:"break"`
	}
	if body != nil {
		if err := decode("agency-lock", body, &f); err != nil {
			return 0, nil, err
		}
	}
	if f.Break == nil {
		lock, err := h.service.agencyLock(ctx)
		return http.StatusOK, lock, err
	}
	if f.Break.Value == "" {
		return 0, nil, apierror.New(apierror.BadParameter, `agency-lock: want {"break": {"value", "nonce"}}, as the command without a body answers them`)
	}
	return http.StatusOK, struct{}{}, h.service.breakLock(ctx, f.Break.Value, f.Break.Nonce)
}
