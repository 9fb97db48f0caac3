package backup

import (
	"context"
	"encoding/json"
	"net/http"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/transfer"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// transferBody is the body of upload and download. Either may have either id of a transfer:
// clients ask for the status of a download at upload, and of an upload at download.
type transferBody struct {
	ID             *string         `json:"id"`
	Repository     string          `json:"remoteRepository"`
	Config         json.RawMessage `json:"config"`
	UploadID       *string         `json:"uploadId"`
	DownloadID     *string         `json:"downloadId"`
	Abort          bool            `json:"abort"`
	Transfers      int             `json:"transfers"`
	BytesPerSecond int64           `json:"bytesPerSecond"`
	Keys           json.RawMessage `json:"key"`
}

// parseTransfer reads a body. Its errors repeat nothing of the body, which may contain a
// credential.
func parseTransfer(command string, body json.RawMessage) (transferBody, error) {
	var b transferBody
	if body == nil || json.Unmarshal(body, &b) != nil {
		return b, apierror.New(apierror.BadParameter, `%s: want {"id", "remoteRepository", "config"}, or {"uploadId"} or {"downloadId"} with an optional "abort"`, command)
	}
	status := b.job() != ""
	if status == (b.ID != nil) {
		return b, apierror.New(apierror.BadParameter, "%s: want either id or the id of a transfer", command)
	}
	if !status && *b.ID == "" {
		return b, apierror.New(apierror.BadParameter, "%s: id is empty", command)
	}
	if b.Transfers < 0 || b.Transfers > dbclient.MostTransfers || b.BytesPerSecond < 0 {
		return b, apierror.New(apierror.BadParameter, "%s: want transfers from 0 to %d, and bytesPerSecond that is not negative", command, dbclient.MostTransfers)
	}
	return b, nil
}

func (b transferBody) job() string {
	for _, id := range []*string{b.UploadID, b.DownloadID} {
		if id != nil && *id != "" {
			return *id
		}
	}
	return ""
}

// parseConfig reads the configuration of remotes.
func parseConfig(raw json.RawMessage) (dbclient.RemoteConfig, error) {
	config, err := client.ParseRemoteConfig(raw)
	if err != nil {
		return nil, apierror.New(apierror.BadRemote, "config: %w", err)
	}
	return dbclient.RemoteConfig(config), nil
}

// transferHandler serves the commands of uploads and downloads.
type transferHandler struct{ transfers *transfer.Service }

// command serves upload or download.
func (h transferHandler) command(name, kind string) command {
	return func(ctx context.Context, body json.RawMessage) (int, any, error) {
		b, err := parseTransfer(name, body)
		if err != nil {
			return 0, nil, err
		}
		switch job := b.job(); {
		case job != "" && b.Abort:
			return http.StatusAccepted, struct{}{}, h.transfers.Abort(ctx, job)
		case job != "":
			status, err := h.transfers.Status(ctx, job)
			return http.StatusOK, status, err
		}
		config, err := parseConfig(b.Config)
		if err != nil {
			return 0, nil, err
		}
		trusted, err := parseKeys(b.Keys)
		if err != nil {
			return 0, nil, err
		}
		if len(trusted) > 0 && kind != keys.TransferDownload {
			return 0, nil, apierror.New(apierror.BadParameter, "%s: a key is for downloads: what is sent is of this cluster", name)
		}
		id, err := h.transfers.Start(ctx, transfer.Request{
			Kind: kind, ID: *b.ID, Repository: b.Repository, Config: config,
			Options: dbclient.TransferOptions{Transfers: b.Transfers, BytesPerSecond: b.BytesPerSecond}, Keys: trusted,
		})
		attribute := "uploadId"
		if kind == keys.TransferDownload {
			attribute = "downloadId"
		}
		return http.StatusAccepted, map[string]string{attribute: id}, err
	}
}

func (h transferHandler) all(ctx context.Context, _ json.RawMessage) (int, any, error) {
	all, err := h.transfers.All(ctx)
	return http.StatusOK, map[string]map[string]transfer.Status{"transfers": all}, err
}

func (h transferHandler) remote(ctx context.Context, body json.RawMessage) (int, any, error) {
	var b struct {
		Operation  string          `json:"operation"`
		ID         string          `json:"id"`
		Repository string          `json:"remoteRepository"`
		Config     json.RawMessage `json:"config"`
		Keys       json.RawMessage `json:"key"`
	}
	if body == nil || json.Unmarshal(body, &b) != nil {
		return 0, nil, apierror.New(apierror.BadParameter, `remote: want {"operation", "remoteRepository", "config"}, and "id" where one is needed`)
	}
	config, err := parseConfig(b.Config)
	if err != nil {
		return 0, nil, err
	}
	trusted, err := parseKeys(b.Keys)
	if err != nil {
		return 0, nil, err
	}
	answer, err := h.transfers.Remote(ctx, transfer.RemoteRequest{Operation: b.Operation, ID: b.ID, Repository: b.Repository, Config: config, Keys: trusted})
	return http.StatusOK, remoteResult(answer), err
}

func remoteResult(r dbclient.RemoteResponse) client.RemoteResult {
	result := client.RemoteResult{Removed: r.Removed, Freed: r.Freed, Kept: r.Kept, Problems: r.Problems, Note: r.Note}
	for _, b := range r.Backups {
		result.Backups = append(result.Backups, client.RemoteBackup(b))
	}
	return result
}
