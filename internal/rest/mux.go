package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/apierror"
)

// SystemDatabase is the database of requests whose path has no prefix /_db/<name>.
const SystemDatabase = "_system"

// Handler answers a request, or returns the error to answer with.
type Handler func(*Call) error

// Route says which handler answers a method and a path. A part of Pattern in braces matches
// any one part of a path, and the handler finds it in Call.Args; a literal part wins over one
// in braces. GET answers HEAD too, unless there is a route for HEAD.
type Route struct {
	Method  string
	Pattern string // "/_api/document/{collection}/{key}"
	Handler Handler
	// Always says that it is answered also while the server starts or stops.
	Always bool
	// Transaction says what becomes of a request whose header names a stream transaction.
	Transaction TransactionUse

	parts []string
}

// Options are what a Mux needs from its server.
type Options struct {
	BodyBytes int64 // of a request body
	// Database returns an error if a database does not exist. Nil: there is only _system, for
	// servers without databases.
	Database func(ctx context.Context, name string) error
	// Admit returns an error while the server starts or stops. Nil: it always serves.
	Admit func() error
	// Join has a handler do its work in the stream transaction that the request's header names. Nil: a server that has no
	// transactions, and reads no such header.
	Join   func(c *Call, transaction string, h Handler) error
	Logger hclog.Logger
}

// Mux finds the handler for a request.
type Mux struct {
	o      Options
	routes map[string][]Route // by the first two parts of the pattern
}

// NewMux makes a Mux of routes.
func NewMux(o Options, routes ...Route) *Mux {
	if o.Database == nil {
		o.Database = func(_ context.Context, name string) error {
			return apierror.New(apierror.DatabaseNotFound, "database not found: %s: this server has no databases", name)
		}
	}
	if o.Admit == nil {
		o.Admit = func() error { return nil }
	}
	m := &Mux{o: o, routes: map[string][]Route{}}
	for _, r := range routes {
		r.parts = strings.Split(strings.TrimPrefix(r.Pattern, "/"), "/")
		group := groupOf(r.parts)
		m.routes[group] = append(m.routes[group], r)
	}
	return m
}

func groupOf(parts []string) string {
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// ServeHTTP answers a request. Errors and panics of handlers are answered with an envelope.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", "ArangoDB")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Arango-Queue-Time-Seconds", "0.000000")
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // the very value, by its documentation
				panic(p)
			}
			m.o.Logger.Error("handler panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			writeError(w, apierror.New(apierror.Internal, "internal error: %v", p))
		}
	}()
	if err := m.serve(w, r); err != nil {
		writeError(w, err)
	}
}

func (m *Mux) serve(w http.ResponseWriter, r *http.Request) error {
	db, parts, err := splitPath(r.URL)
	if err != nil {
		return err
	}
	method := methodOf(r)
	route, args, err := m.find(method, parts)
	if aerr := m.o.Admit(); aerr != nil {
		if err == nil && route.Always {
			return m.handle(route, m.call(w, r, db, args))
		}
		return aerr
	}
	if db != SystemDatabase {
		if derr := m.o.Database(r.Context(), db); derr != nil {
			return derr
		}
	}
	if err != nil {
		return err
	}
	return m.handle(route, m.call(w, r, db, args))
}

func (m *Mux) call(w http.ResponseWriter, r *http.Request, db string, args []string) *Call {
	return &Call{W: w, R: r, DB: db, Args: args, Query: r.URL.Query(), bodyBytes: m.o.BodyBytes}
}

// handle calls the handler of a route, in the transaction of the request if it names one.
func (m *Mux) handle(route Route, c *Call) error {
	id := c.R.Header.Get(TransactionHeader)
	if id == "" || m.o.Join == nil || route.Transaction == Aside {
		return route.Handler(c)
	}
	if route.Transaction == Joins {
		return m.o.Join(c, id, route.Handler)
	}
	if method := methodOf(c.R); method != http.MethodGet && method != http.MethodHead {
		return apierror.New(apierror.TransactionDisallowed,
			"operation not allowed in transaction %.40q: only operations on documents and collections' contents can be part of one: send it without the header %s", id, TransactionHeader)
	}
	return route.Handler(c)
}

// find returns the route for a path, or the error that says why none matches.
func (m *Mux) find(method string, parts []string) (Route, []string, error) {
	known, longer := false, false
	var found *Route
	group := m.routes[groupOf(parts)]
	for i, route := range group {
		if !matches(route.parts, parts[:min(len(parts), len(route.parts))]) {
			continue
		}
		sameMethod := route.Method == method || route.Method == http.MethodGet && method == http.MethodHead && !has(group, http.MethodHead, parts)
		switch {
		case len(parts) > len(route.parts):
			longer = longer || sameMethod
		case !sameMethod:
			known = true
		case found == nil || literals(route.parts) > literals(found.parts):
			found = &group[i]
		}
	}
	switch {
	case found != nil:
		return *found, argsOf(found.parts, parts), nil
	case known:
		return Route{}, nil, apierror.New(apierror.MethodNotAllowed, "method %s is not supported for this path", method)
	case longer:
		return Route{}, nil, apierror.New(apierror.SuperfluousSuffices, "superfluous parts in the path")
	}
	return Route{}, nil, apierror.New(apierror.NotFound, "unknown path '/%s'", strings.Join(parts, "/"))
}

func has(group []Route, method string, parts []string) bool {
	for _, r := range group {
		if r.Method == method && matches(r.parts, parts) {
			return true
		}
	}
	return false
}

func isWild(part string) bool { return strings.HasPrefix(part, "{") }

func matches(pattern, parts []string) bool {
	if len(pattern) != len(parts) {
		return false
	}
	for i, p := range pattern {
		if !isWild(p) && p != parts[i] {
			return false
		}
	}
	return true
}

func literals(pattern []string) int {
	n := 0
	for _, p := range pattern {
		if !isWild(p) {
			n++
		}
	}
	return n
}

func argsOf(pattern, parts []string) []string {
	var args []string
	for i, p := range pattern {
		if isWild(p) {
			args = append(args, parts[i])
		}
	}
	return args
}

// splitPath divides a path into the database of its prefix and its unescaped parts. An escaped
// slash stays in its part. A trailing slash is ignored.
func splitPath(u *url.URL) (db string, parts []string, err error) {
	raw := strings.Split(strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), "/"), "/")
	for _, r := range raw {
		p, err := url.PathUnescape(r)
		if err != nil {
			return "", nil, apierror.New(apierror.BadParameter, "path part %q: %w", r, err)
		}
		parts = append(parts, p)
	}
	if parts[0] != "_db" {
		return SystemDatabase, parts, nil
	}
	if len(parts) < 2 || parts[1] == "" {
		return "", nil, apierror.New(apierror.NotFound, "no database name after /_db/")
	}
	db, parts = parts[1], parts[2:]
	if len(parts) == 0 {
		parts = []string{""}
	}
	return db, parts, nil
}

// methodOf returns the request's method, which old clients put into a header.
func methodOf(r *http.Request) string {
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if m := r.Header.Get(name); m != "" {
			return strings.ToUpper(m)
		}
	}
	return r.Method
}

// writeError answers with the error's envelope. A 503 says when to try again.
func writeError(w http.ResponseWriter, err error) {
	if apierror.From(err).Status() == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", fmt.Sprint(retryAfterSeconds))
	}
	apierror.Write(w, err)
}

// retryAfterSeconds is how long a 503 tells clients to wait.
const retryAfterSeconds = 1
