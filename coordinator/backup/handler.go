package backup

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// pathPrefix is where the handler expects to be mounted. A database prefix may stand before
// it.
const pathPrefix = "/_admin/backup"

// retryAfter is how long a 503 tells the client to wait, in seconds.
const retryAfter = "5"

// Handler serves POST /_admin/backup/<command>. When the client goes away, the request's context
// ends, and the command undoes what is not committed.
func (s *Service) Handler() http.Handler {
	h := handler{s}
	t := transferHandler{s.transfers}
	commands := map[string]command{
		"create": h.create, "list": h.list, "delete": h.delete, "restore": h.restore, "verify": h.verify, "show": h.show, "agency-lock": lockHandler{s}.serve,
		"upload": t.command("upload", keys.TransferUpload), "download": t.command("download", keys.TransferDownload),
		"transfers": t.all, "remote": t.remote, "keys": keysHandler{s.signer}.command,
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
	_, name, _ := strings.Cut(r.URL.Path, pathPrefix)
	name = strings.Trim(name, "/")
	if name == "" || strings.Contains(name, "/") {
		return 0, nil, apierror.New(apierror.SuperfluousSuffices, "expected %s/<command>", pathPrefix).WithStatus(http.StatusBadRequest)
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

// handler serves the commands of backups.
type handler struct{ service *Service }

func (h handler) create(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseCreate(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := h.service.Create(ctx, request)
	return http.StatusCreated, result, err
}

func (h handler) list(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseList(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := h.service.List(ctx, request)
	return http.StatusOK, result, err
}

func (h handler) delete(ctx context.Context, body json.RawMessage) (int, any, error) {
	var fields struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &fields) != nil || fields.ID == "" {
		return 0, nil, apierror.New(apierror.BadRequest, "delete: id must be a string")
	}
	result, err := h.service.Delete(ctx, fields.ID)
	return http.StatusOK, result, err
}

func (h handler) restore(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseRestore(body)
	if err != nil {
		return 0, nil, err
	}
	result, err := h.service.Restore(ctx, request)
	return http.StatusOK, result, err
}

func (h handler) show(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseRestore(body) // it has an id, too
	if err != nil {
		return 0, nil, err
	}
	result, err := h.service.show(ctx, request.ID)
	return http.StatusOK, result, err
}

func (h handler) verify(ctx context.Context, body json.RawMessage) (int, any, error) {
	request, err := parseRestore(body) // it has an id, too
	if err != nil {
		return 0, nil, err
	}
	result, err := h.service.Verify(ctx, request.ID, request.Keys...)
	return http.StatusOK, result, err
}
