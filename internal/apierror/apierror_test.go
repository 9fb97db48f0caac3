package apierror

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// cross sends err over the wire as a server would and reads it as a client would.
func cross(t *testing.T, err error) (*http.Response, error) {
	t.Helper()
	w := httptest.NewRecorder()
	Write(w, err)
	resp := w.Result()
	return resp, FromResponse(resp)
}

// numbers reads the constants of this package from its source, so that a new
// one is tested without being entered here.
func numbers(t *testing.T) map[string]Num {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "numbers.go", nil, 0)
	require.NoError(t, err)
	found := map[string]Num{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Num" {
			return true
		}
		v, err := strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		found[spec.Names[0].Name] = Num(v)
		return true
	})
	require.Greater(t, len(found), 60)
	return found
}

// Every number arrives as itself, with its status, and as nothing else.
func TestEveryNumberCrossesTheWire(t *testing.T) {
	seen := map[Num]string{}
	for name, n := range numbers(t) {
		require.Empty(t, seen[n], "%s and %s are one number", name, seen[n])
		seen[n] = name
		resp, got := cross(t, fmt.Errorf("insert: %w", New(n, "it is %s", name)))
		require.Equal(t, n.Status(), resp.StatusCode, name)
		require.GreaterOrEqual(t, n.Status(), 400, name)
		require.Less(t, n.Status(), 600, name)
		require.ErrorIs(t, got, n, name)
		require.NotErrorIs(t, got, n+1, name)
		require.EqualError(t, got, "insert: it is "+name)
	}
}

// The statuses that drivers key on.
func TestStatuses(t *testing.T) {
	for n, want := range map[Num]int{
		BadParameter: 400, CorruptedJSON: 400, SuperfluousSuffices: 400, IllegalName: 400, DocumentKeyBad: 400, KeyNotAllowed: 400,
		Forbidden: 403, UseSystemDatabase: 403,
		NotFound: 404, DocumentNotFound: 404, CollectionNotFound: 404, DatabaseNotFound: 404, CursorNotFound: 404,
		MethodNotAllowed: 405, RequestTimeout: 408, Conflict: 409, DuplicateName: 409, UniqueConstraint: 409, GateLost: 409, CutMissed: 409,
		PreconditionFailed: 412, EntityTooLarge: 413, WrongEpoch: 421, Internal: 500, NotImplemented: 501,
		ServiceUnavailable: 503, ShuttingDown: 503, StartingUp: 503, ConnectionLost: 503, BackendUnavailable: 503, NoLeader: 503, NotLeader: 503,
	} {
		require.Equal(t, want, n.Status(), int(n))
	}
}

func TestEnvelope(t *testing.T) {
	e := New(Conflict, "conflict, _rev values do not match")
	e.Extra = map[string]any{"_key": "k", "_rev": "r"}
	resp, err := cross(t, e)
	require.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
	raw, merr := json.Marshal(e)
	require.NoError(t, merr)
	require.JSONEq(t, `{"error":true,"code":409,"errorNum":1200,"errorMessage":"conflict, _rev values do not match","_key":"k","_rev":"r"}`, string(raw))
	var got *Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, map[string]any{"_key": "k", "_rev": "r"}, got.Extra)

	e.Extra = map[string]any{"errorNum": 1, "error": false} // cannot hide the error
	raw, merr = json.Marshal(e)
	require.NoError(t, merr)
	require.JSONEq(t, `{"error":true,"code":409,"errorNum":1200,"errorMessage":"conflict, _rev values do not match"}`, string(raw))
}

// An error inside a body, as in an array of results, keeps its number.
func TestErrorInsideABody(t *testing.T) {
	type result struct{ Error *Error }
	raw, err := json.Marshal([]result{{New(DocumentNotFound, "gone")}, {}})
	require.NoError(t, err)
	var got []result
	require.NoError(t, json.Unmarshal(raw, &got))
	require.ErrorIs(t, got[0].Error, DocumentNotFound)
	require.Nil(t, got[0].Error.Extra)
	require.Nil(t, got[1].Error)
	require.Error(t, json.Unmarshal([]byte(`[{"Error":"text"}]`), &got))
}

func TestStatusOfItsOwn(t *testing.T) {
	resp, err := cross(t, New(BackupConflict, "taken").WithStatus(http.StatusServiceUnavailable))
	require.Equal(t, 503, resp.StatusCode)
	require.ErrorIs(t, err, BackupConflict)
	require.Equal(t, 503, From(err).Status(), "it keeps its status when it is passed on")
}

func TestFromAnyError(t *testing.T) {
	for _, c := range []struct {
		err     error
		num     Num
		message string
	}{
		{io.ErrUnexpectedEOF, Internal, "unexpected EOF"},
		{CollectionNotFound, CollectionNotFound, "error 1203"},
		{fmt.Errorf("look up: %w", CollectionNotFound), CollectionNotFound, "look up: error 1203"},
		{New(NoLeader, "none"), NoLeader, "none"},
		{fmt.Errorf("shard s1: %w", New(NoLeader, "none")), NoLeader, "shard s1: none"},
		{errors.Join(io.EOF, New(NoLeader, "none")), NoLeader, "EOF\nnone"},
	} {
		got := From(c.err)
		require.Equal(t, c.num, got.Num, c.message)
		require.Equal(t, c.message, got.Message)
		require.ErrorIs(t, got, c.num)
	}
	require.ErrorIs(t, From(fmt.Errorf("read: %w", io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF, "the cause is kept on this side")
}

func TestCauses(t *testing.T) {
	require.ErrorIs(t, New(Internal, "write: %w", io.ErrShortWrite), io.ErrShortWrite)
	both := New(Internal, "write: %w, then %w", io.ErrShortWrite, io.ErrClosedPipe)
	require.ErrorIs(t, both, io.ErrShortWrite)
	require.ErrorIs(t, both, io.ErrClosedPipe)
	_, got := cross(t, both)
	require.NotErrorIs(t, got, io.ErrShortWrite, "causes do not cross")
	require.ErrorIs(t, got, Internal)
	require.ErrorIs(t, New(Locked, "a"), New(Locked, "b"), "errors with one number match")
	require.NotErrorIs(t, New(Locked, "a"), New(Cancelled, "a"))
	var none *Error
	require.NotErrorIs(t, New(Locked, "a"), error(none))
}

func response(status int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(body)}
}

func TestAnswersThatAreNoEnvelope(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		num     Num
		message string
	}{
		{404, "404 page not found", NotFound, "HTTP 404: 404 page not found"},
		{503, `{"message":"No leader"}`, ServiceUnavailable, `HTTP 503: {"message":"No leader"}`},
		{502, "", 502, "HTTP 502: "},
		{500, `[1]`, 500, "HTTP 500: [1]"},
		{418, strings.Repeat("x", 300), 418, "HTTP 418: " + strings.Repeat("x", 200) + "…"},
	} {
		err := FromResponse(response(c.status, strings.NewReader(c.body)))
		require.EqualError(t, err, c.message)
		require.ErrorIs(t, err, c.num)
		require.Equal(t, c.status, From(err).Status())
	}
}

func TestNoError(t *testing.T) {
	for _, status := range []int{200, 201, 307, 399} {
		resp := response(status, strings.NewReader("body"))
		require.NoError(t, FromResponse(resp))
		left, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "body", string(left), "the body is left alone")
	}
}

func TestAnswerCutOff(t *testing.T) {
	err := FromResponse(response(409, iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.ErrorIs(t, err, ConnectionLost)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// An error whose attributes are no JSON is still answered as an error.
func TestAttributesThatAreNoJSON(t *testing.T) {
	e := New(Internal, "x")
	e.Extra = map[string]any{"f": func() {}}
	resp, err := cross(t, e)
	require.Equal(t, 500, resp.StatusCode)
	require.ErrorIs(t, err, Internal)
}
