package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// PathPrefix is where the handler expects to be mounted; a database prefix
// before it does not disturb.
const PathPrefix = "/_admin/backup"

// maxBody bounds a command's body.
const maxBody = 1 << 20

// retryAfter is what a 503 tells the client to wait, in seconds.
const retryAfter = "5"

// command reads its body (nil if there was none) and answers with a status and a
// result, or an error.
type command func(ctx context.Context, body json.RawMessage) (status int, result any, err error)

// Handler serves POST /_admin/backup/<command>. When the client goes away the
// request's context ends, and with it what is not committed.
func (s *Service) Handler() http.Handler {
	commands := map[string]command{
		"create": s.serveCreate, "list": s.serveList, "delete": s.serveDelete,
		"restore": s.serveRestore, "verify": s.serveVerify,
		"upload": s.serveTransfer("upload", keys.TransferUpload), "download": s.serveTransfer("download", keys.TransferDownload),
		"transfers": s.serveTransfers, "remote": s.serveRemote,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, result, err := dispatch(w, r, commands)
		if err != nil {
			e := apierror.From(err).WithStatus(statusOf(err))
			if e.Code == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", retryAfter)
			}
			apierror.Write(w, e)
			return
		}
		writeResult(w, status, result)
	})
}

func dispatch(w http.ResponseWriter, r *http.Request, commands map[string]command) (int, any, error) {
	if r.Method != http.MethodPost {
		return 0, nil, apierror.New(apierror.MethodNotAllowed, "backup commands are sent with POST")
	}
	_, name, _ := strings.Cut(r.URL.Path, PathPrefix)
	name = strings.Trim(name, "/")
	if name == "" || strings.Contains(name, "/") {
		return 0, nil, apierror.New(apierror.SuperfluousSuffices, "expected %s/<command>", PathPrefix).WithStatus(http.StatusBadRequest)
	}
	body, err := readBody(w, r)
	if err != nil {
		return 0, nil, err
	}
	run, known := commands[name]
	if !known {
		return 0, nil, apierror.New(apierror.NotImplemented, "unknown backup command %q", name)
	}
	return run(r.Context(), body)
}

// readBody reads the body; nil for an empty one and for null.
func readBody(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, apierror.New(apierror.EntityTooLarge, "a backup command's body has at most %d bytes", maxBody)
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
	_, _ = w.Write(body) // the client is gone: nobody to tell
}

// statusOf is the HTTP status of a backup command's error, which is not the one
// that the number has elsewhere.
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

func (s *Service) serveCreate(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseCreate(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := s.Create(ctx, request)
	return http.StatusCreated, result, err
}

func (s *Service) serveList(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseList(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := s.List(ctx, request)
	return http.StatusOK, result, err
}

func (s *Service) serveDelete(ctx context.Context, body json.RawMessage) (int, any, error) {
	var fields struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &fields) != nil || fields.ID == "" {
		return 0, nil, apierror.New(apierror.BadRequest, "delete: id must be a string")
	}
	result, err := s.Delete(ctx, fields.ID)
	return http.StatusOK, result, err
}

func (s *Service) serveRestore(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseRestore(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := s.Restore(ctx, request)
	return http.StatusOK, result, err
}

func (s *Service) serveVerify(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseRestore(body) // the same: an id
	if err != nil {
		return 0, nil, err
	}
	result, err := s.Verify(ctx, request.ID)
	return http.StatusOK, result, err
}
