package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"stasis/internal/apierror"
)

// maxBody bounds a command's body.
const maxBody = 1 << 20

// command reads its body (nil if the request has none), and returns a status and a result, or an
// error.
type command func(ctx context.Context, body json.RawMessage) (status int, result any, err error)

// readBody reads the body. It returns nil for an empty one and for null.
func readBody(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, apierror.New(apierror.EntityTooLarge, "the body of a backup command may have at most %d bytes", maxBody)
	case err != nil:
		return nil, apierror.New(apierror.Cancelled, "read body: %w", err)
	}
	raw = []byte(strings.TrimSpace(string(raw)))
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if !json.Valid(raw) {
		return nil, apierror.New(apierror.CorruptedJSON, "the body is not JSON")
	}
	return raw, nil
}

func writeResult(w http.ResponseWriter, status int, result any) {
	body, err := json.Marshal(map[string]any{"error": false, "code": status, "result": result})
	if err != nil {
		apierror.Write(w, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has gone
}

// statusOf returns the HTTP status for the error of a backup command. Other commands answer some
// of these numbers with another status.
func statusOf(err error) int {
	switch n := apierror.From(err).Num; n {
	case apierror.NotImplemented:
		return http.StatusNotImplemented
	case apierror.LockTimeout:
		return http.StatusRequestTimeout
	case apierror.FileNotFound:
		return http.StatusNotFound
	case apierror.BackupCreate:
		return http.StatusInternalServerError
	case apierror.ShuttingDown:
		return http.StatusServiceUnavailable
	default:
		if n >= 400 && n <= 504 {
			return int(n)
		}
		return http.StatusBadRequest
	}
}
