package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// ErrNotSent marks a ConnectionLost error of a request that never had a
// connection: it was certainly not applied. Without the mark the outcome of a
// write is unknown.
var ErrNotSent = errors.New("the request was not sent")

// maxIdleBody is how much of an unread answer is read to keep its connection.
const maxIdleBody = 64 << 10

// Target says which server to ask, and which epoch of its data is meant.
type Target struct {
	URL   string // http://host:port
	Epoch uint64
}

// Client asks DB servers. It keeps no state of its own, never repeats a request
// and may be used by many goroutines.
//
// Errors are *apierror.Error: what the server answered, or ConnectionLost when
// there was no (whole) answer; the latter also match the context's error if the
// context ended first, and ErrNotSent if the server cannot have seen the request.
type Client struct{ http *http.Client }

// New makes a client; its caller owns h and sets no overall timeout on it
// (every call is bounded by its context).
func New(h *http.Client) *Client { return &Client{http: h} }

// Documents applies operations to a shard; a failing one has its error in its result.
func (c *Client) Documents(ctx context.Context, t Target, shard string, r DocumentsRequest) (DocumentsResponse, error) {
	for _, op := range r.Ops {
		if op.Kind != OpRead { // it will have been applied when the answer comes
			return call[DocumentsResponse](ctx, c, t, onShard(PathDocs, shard), r)
		}
	}
	return call[DocumentsResponse](refusing(ctx), c, t, onShard(PathDocs, shard), r)
}

// Scan reads a page of a shard's documents in key order.
func (c *Client) Scan(ctx context.Context, t Target, shard string, r ScanRequest) (ScanResponse, error) {
	return call[ScanResponse](refusing(ctx), c, t, onShard(PathScan, shard), r)
}

// Count gives a shard's number of documents.
func (c *Client) Count(ctx context.Context, t Target, shard string) (CountResponse, error) {
	return call[CountResponse](ctx, c, t, onShard(PathCount, shard), struct{}{})
}

// Truncate removes all documents of a shard, as one write.
func (c *Client) Truncate(ctx context.Context, t Target, shard string, r TruncateRequest) error {
	return command(ctx, c, t, onShard(PathTruncate, shard), r)
}

// Checksum describes what is in a shard, or in one replica of it.
func (c *Client) Checksum(ctx context.Context, t Target, shard string, r ChecksumRequest) (ChecksumResponse, error) {
	return call[ChecksumResponse](ctx, c, t, onShard(PathChecksum, shard), r)
}

// GateRelease opens the gate and brings the evidence of how it was held.
func (c *Client) GateRelease(ctx context.Context, t Target, r GateReleaseRequest) (GateReleaseResponse, error) {
	return call[GateReleaseResponse](ctx, c, t, PathGateRelease, r)
}

// Prepare has the server flush, so that little is left to do in the cut.
func (c *Client) Prepare(ctx context.Context, t Target, r PieceRequest) error {
	_, err := longCall[struct{}](ctx, c, t, PathPrepare, r)
	return err
}

// Cut fixes the cut and returns; its links follow with Link.
func (c *Client) Cut(ctx context.Context, t Target, r CutRequest) (CutResponse, error) {
	return call[CutResponse](ctx, c, t, PathCut, r)
}

// Link makes the pending piece complete and durable.
func (c *Client) Link(ctx context.Context, t Target, r LinkRequest) (Piece, error) {
	return longCall[Piece](ctx, c, t, PathLink, r)
}

// Seal stores the certificate in the pending piece.
func (c *Client) Seal(ctx context.Context, t Target, r SealRequest) error {
	return command(ctx, c, t, PathSeal, r)
}

// Publish lists the piece from now on. Publishing twice is no error.
func (c *Client) Publish(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathPublish, r)
}

// Drop removes a pending piece whose backup is not committed.
func (c *Client) Drop(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathDrop, r)
}

// List lists published pieces, whatever the epoch.
func (c *Client) List(ctx context.Context, t Target, r ListRequest) (ListResponse, error) {
	return call[ListResponse](ctx, c, t, PathList, r)
}

// Delete removes the published piece of a backup that the agency says is deleted;
// apierror.BackupConflict if it does not, FileNotFound if there is no piece.
func (c *Client) Delete(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathDelete, r)
}

// Verify checks every file of a published piece.
func (c *Client) Verify(ctx context.Context, t Target, r PieceRequest) (VerifyResponse, error) {
	return longCall[VerifyResponse](ctx, c, t, PathVerify, r)
}

// Stage puts a piece beside the engine, ready to be swapped in.
func (c *Client) Stage(ctx context.Context, t Target, r StageRequest) error {
	_, err := longCall[struct{}](ctx, c, t, PathStage, r)
	return err
}

// Unstage removes what was staged for a restore that is not committed.
func (c *Client) Unstage(ctx context.Context, t Target, r UnstageRequest) error {
	return command(ctx, c, t, PathUnstage, r)
}

// Transfer has the server do its part of an upload or download.
func (c *Client) Transfer(ctx context.Context, t Target, r TransferRequest) error {
	return command(ctx, c, t, PathTransfer, r)
}

// Remote asks about a remote, or has the server keep order there.
func (c *Client) Remote(ctx context.Context, t Target, r RemoteRequest) (RemoteResponse, error) {
	return call[RemoteResponse](ctx, c, t, PathRemote, r)
}

func onShard(path, shard string) string {
	return strings.Replace(path, "{shard}", url.PathEscape(shard), 1)
}

func command(ctx context.Context, c *Client, t Target, path string, body any) error {
	_, err := call[struct{}](ctx, c, t, path, body)
	return err
}

func call[A any](ctx context.Context, c *Client, t Target, path string, body any) (A, error) {
	var answer A
	resp, err := c.send(ctx, t, path, body)
	if err != nil {
		return answer, err
	}
	defer finish(resp.Body)
	if err := hold(ctx, resp.ContentLength); err != nil {
		return answer, err
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, lost(t, path, fmt.Errorf("read answer: %w", err))
	}
	return answer, nil
}

// answerFactor is how much an answer holds while it is read: its text, and what it becomes.
const answerFactor = 3

type refusingKey struct{}

// refusing is the context of a call that changes nothing: its answer may be refused.
func refusing(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusingKey{}, true)
}

// hold counts an answer to what the request holds on whose behalf the call is made.
func hold(ctx context.Context, bytes int64) error {
	account := budget.Of(ctx)
	if ctx.Value(refusingKey{}) != nil {
		return account.Take(answerFactor * bytes)
	}
	account.Owe(answerFactor * bytes)
	return nil
}

// send gives the answer whose body is still to be read, or the error that it is.
func (c *Client) send(ctx context.Context, t Target, path string, body any) (*http.Response, error) {
	encoded, err := Encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode request %s: %w", path, err)
	}
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(EpochHeader, strconv.FormatUint(t.Epoch, 10))
	resp, err := c.http.Do(req)
	if err != nil {
		if !sent {
			err = fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		return nil, lost(t, path, err)
	}
	if err := apierror.FromResponse(resp); err != nil {
		finish(resp.Body)
		return nil, err
	}
	return resp, nil
}

// lost says that there was no whole answer; the cause is kept for errors.Is.
func lost(t Target, path string, cause error) error {
	return &apierror.Error{Num: apierror.ConnectionLost, Message: fmt.Sprintf("%s%s: %v", t.URL, path, cause), Cause: cause}
}

// finish reads the rest of a body so that its connection can be used again.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxIdleBody) // more, or broken: the connection is not kept
	_ = body.Close()                               // nothing was written to it
}

// Encode is the JSON of requests and answers. Unlike json.Marshal it leaves
// documents inside as they are, "<" included.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
