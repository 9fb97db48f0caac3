package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// echo answers with what the handler was given.
func echo(name string) Handler {
	return func(c *Call) error { return c.OK(200, Fields{"name": name, "db": c.DB, "args": c.Args}) }
}

func testMux(admit error) *Mux {
	return NewMux(Options{
		BodyBytes: 100,
		Database: func(_ context.Context, name string) error {
			if name != "good" && name != "a/b" {
				return apierror.New(apierror.DatabaseNotFound, "database not found")
			}
			return nil
		},
		Admit:  func() error { return admit },
		Logger: hclog.NewNullLogger(),
	},
		Route{Method: "GET", Pattern: "/_api/version", Handler: echo("version"), Always: true},
		Route{Method: "GET", Pattern: "/_api/database", Handler: echo("databases")},
		Route{Method: "GET", Pattern: "/_api/database/current", Handler: echo("current")},
		Route{Method: "DELETE", Pattern: "/_api/database/{name}", Handler: echo("drop")},
		Route{Method: "GET", Pattern: "/_api/document/{c}/{k}", Handler: echo("read")},
		Route{Method: "PUT", Pattern: "/_api/document/{c}", Handler: echo("replace")},
		Route{Method: "GET", Pattern: "/_api/panic", Handler: func(*Call) error { panic("oops") }},
		Route{Method: "GET", Pattern: "/_api/error", Handler: func(*Call) error { return errors.New("odd") }},
		Route{Method: "GET", Pattern: "/_api/busy", Handler: func(*Call) error { return apierror.ConnectionLost }},
	)
}

func ask(m *Mux, method, path string, headers ...string) (int, map[string]any, http.Header) {
	req := httptest.NewRequest(method, path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, req)
	body := map[string]any{}
	_ = json.Unmarshal(w.Body.Bytes(), &body) // an empty body stays empty
	return w.Code, body, w.Header()
}

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		num          float64
		name, db     string
		args         []any
	}{
		{"GET", "/_api/version", 200, 0, "version", "_system", nil},
		{"GET", "/_api/version/", 200, 0, "version", "_system", nil},
		{"HEAD", "/_api/version", 200, 0, "version", "_system", nil},
		{"GET", "/_db/good/_api/version", 200, 0, "version", "good", nil},
		{"GET", "/_db/bad/_api/version", 404, 1228, "", "", nil},
		{"GET", "/_api/database", 200, 0, "databases", "_system", nil},
		{"GET", "/_db/good/_api/database/current", 200, 0, "current", "good", nil},
		{"GET", "/_db/a%2Fb/_api/database", 200, 0, "databases", "a/b", nil},
		{"DELETE", "/_api/database/current", 200, 0, "drop", "_system", []any{"current"}},
		{"GET", "/_api/document/c%20d/a%2Fb", 200, 0, "read", "_system", []any{"c d", "a/b"}},
		{"GET", "/_db/bad/_api/database", 404, 1228, "", "", nil},
		{"GET", "/_db/bad/_api/unknown", 404, 1228, "", "", nil},
		{"GET", "/_db", 404, 404, "", "", nil},
		{"GET", "/_db/good", 404, 404, "", "", nil},
		{"GET", "/_api/unknown", 404, 404, "", "", nil},
		{"GET", "/", 404, 404, "", "", nil},
		{"GET", "/_api/document/c", 405, 405, "", "", nil},
		{"POST", "/_api/version", 405, 405, "", "", nil},
		{"GET", "/_api/document/c/k/more", 400, 601, "", "", nil},
		{"GET", "/_api/version/more", 400, 601, "", "", nil},
		{"GET", "/_api/panic", 500, 4, "", "", nil},
		{"GET", "/_api/error", 500, 4, "", "", nil},
	} {
		status, body, header := ask(testMux(nil), test.method, test.path)
		require.Equal(t, test.status, status, test.path)
		require.Equal(t, "ArangoDB", header.Get("Server"))
		if test.num != 0 {
			require.Equal(t, test.num, body["errorNum"], test.path)
			require.Equal(t, true, body["error"])
			require.EqualValues(t, test.status, body["code"])
			continue
		}
		require.Equal(t, test.name, body["name"], test.path)
		require.Equal(t, test.db, body["db"])
		require.EqualValues(t, 200, body["code"])
		if test.args != nil {
			require.Equal(t, test.args, body["args"])
		}
	}
}

func TestMethodOverride(t *testing.T) {
	_, body, _ := ask(testMux(nil), "POST", "/_api/document/c", "X-HTTP-Method-Override: put")
	require.Equal(t, "replace", body["name"])
}

// While the server starts or stops only what says so is answered; a 503 says when
// to come back.
func TestAdmission(t *testing.T) {
	m := testMux(apierror.New(apierror.StartingUp, "starting"))
	status, _, _ := ask(m, "GET", "/_api/version")
	require.Equal(t, 200, status)
	for _, path := range []string{"/_api/database", "/_api/unknown", "/_db/bad/_api/database"} {
		status, body, header := ask(m, "GET", path)
		require.Equal(t, 503, status)
		require.EqualValues(t, 38, body["errorNum"])
		require.Equal(t, "1", header.Get("Retry-After"))
	}
	status, _, header := ask(testMux(nil), "GET", "/_api/busy")
	require.Equal(t, 503, status)
	require.Equal(t, "1", header.Get("Retry-After"))
}

func call(body, query string) *Call {
	r := httptest.NewRequest("POST", "/x?"+query, strings.NewReader(body))
	return &Call{W: httptest.NewRecorder(), R: r, Query: r.URL.Query(), bodyBytes: 20}
}

func TestFlag(t *testing.T) {
	for value, wanted := range map[string]bool{"true": true, "TRUE": true, "1": true, "yes": true, "on": true, "false": false, "0": false, "off": false, "no": false} {
		got, err := call("", "f="+value).Flag("f", !wanted)
		require.NoError(t, err)
		require.Equal(t, wanted, got, value)
	}
	got, err := call("", "").Flag("f", true)
	require.NoError(t, err)
	require.True(t, got)
	_, err = call("", "f=maybe").Flag("f", true)
	require.ErrorIs(t, err, apierror.BadParameter)
}

func TestBodies(t *testing.T) {
	for body, num := range map[string]apierror.Num{
		"": apierror.CorruptedJSON, " ": apierror.CorruptedJSON, "{": apierror.CorruptedJSON, "{} {}": apierror.CorruptedJSON,
		"\"\xff\"": apierror.CorruptedJSON, strings.Repeat("x", 21): apierror.EntityTooLarge,
	} {
		_, err := call(body, "").JSON()
		require.ErrorIs(t, err, num, body)
	}
	raw, err := call(" {\"a\" : 1}\n", "").JSON()
	require.NoError(t, err)
	require.Equal(t, `{"a" : 1}`, string(raw))

	var into struct {
		A int `json:"a"`
	}
	require.NoError(t, call(`{"a":1,"b":2}`, "").Object(&into))
	require.Equal(t, 1, into.A)
	require.NoError(t, call("", "").Object(&into))
	require.ErrorIs(t, call(`[]`, "").Object(&into), apierror.BadParameter)
	require.ErrorIs(t, call(`{"a":"x"}`, "").Object(&into), apierror.BadParameter)
	require.ErrorIs(t, call(`{"a":`, "").Object(&into), apierror.CorruptedJSON)

	c := call("", "")
	c.R.Body = io.NopCloser(brokenReader{})
	_, err = c.body()
	require.ErrorIs(t, err, apierror.BadRequest)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("cut off") }

func TestAnswersKeepDocumentsAsTheyAre(t *testing.T) {
	c := call("", "")
	require.NoError(t, c.Result(201, json.RawMessage(`{"n":1.50,"h":"<&>"}`)))
	w := c.W.(*httptest.ResponseRecorder)
	require.Equal(t, 201, w.Code)
	require.Equal(t, `{"code":201,"error":false,"result":{"n":1.50,"h":"<&>"}}`, w.Body.String())
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
}

// A server without databases and without phases needs no more than its routes.
func TestOptionsMayBeLeftOut(t *testing.T) {
	m := NewMux(Options{Logger: hclog.NewNullLogger()}, Route{Method: "GET", Pattern: "/_api/version", Handler: echo("version")})
	status, body, _ := ask(m, "GET", "/_api/version")
	require.Equal(t, 200, status)
	require.Equal(t, "version", body["name"])
	status, body, _ = ask(m, "GET", "/_db/other/_api/version")
	require.Equal(t, 404, status)
	require.EqualValues(t, 1228, body["errorNum"])
}
