package agency

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stasis/agency/answer"
	"stasis/agency/asyncjob"
	"stasis/agency/keys"
	"stasis/agency/outcome"
	"stasis/internal/apierror"
	"stasis/internal/network"
)

// api is the agent's HTTP interface.
type api struct {
	agent   *Agent
	maxBody int64
	limits  network.Limits
	data    map[string]dataCall // by name
	names   map[string]route    // below /_api/agency/
	others  map[string]route    // by path
}

// route is what a path does with which methods.
type route struct {
	methods []string
	handle  func(http.ResponseWriter, *http.Request) error
}

const agencyPrefix = "/_api/agency"

func newAPI(a *Agent, maxBody int64, limits network.Limits) *api {
	s := &api{agent: a, maxBody: maxBody, limits: limits}
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	s.data = map[string]dataCall{
		"write": s.write, "read": s.read, "transact": s.transact, "transient": s.transient, "inquire": s.inquire,
	}
	s.names = map[string]route{
		"poll":     {get, s.poll},
		"config":   {[]string{http.MethodGet, http.MethodPut, http.MethodPost}, s.configOf},
		"state":    {get, s.state},
		"snapshot": {get, s.snapshot},
		"stores":   {get, s.stores},
		"store":    {post, s.store},
		"compact":  {post, s.compact},
		"founding": {post, s.founding},
		"members":  {[]string{http.MethodGet, http.MethodPost, http.MethodDelete}, s.membership},
	}
	for name, call := range s.data {
		s.names[name] = route{post, s.serveData(call)}
	}
	s.others = map[string]route{
		"/_api/version":               {get, s.version},
		"/_admin/server/role":         {get, s.role},
		"/_admin/server/id":           {get, s.id},
		"/_admin/server/availability": {get, s.availability},
		"/_admin/status":              {get, s.status},
		"/_admin/metrics":             {get, s.metrics},
		"/_admin/metrics/v2":          {get, s.metrics},
	}
	return s
}

// everyAnswer has these headers. The lists are shared: nobody changes them.
var everyAnswer = http.Header{
	"Server":                      {"ArangoDB"},
	"X-Content-Type-Options":      {"nosniff"},
	"X-Arango-Queue-Time-Seconds": {"0.000000"},
}

// ServeHTTP answers one request.
func (s *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), everyAnswer)
	if header := s.agent.origins.header.Load(); header != nil {
		w.Header()[keys.OriginHeader] = *header
	}
	if err := s.serve(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *api) serve(w http.ResponseWriter, r *http.Request) error {
	path, err := withoutDatabase(r.URL)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(path, asyncjob.Path); ok {
		return s.agent.jobs.Serve(w, r, rest)
	}
	route, err := s.find(path, r.Method)
	if err != nil {
		return err
	}
	if err := s.agent.misdirectedBy(r.Header); err != nil {
		return err
	}
	if asyncjob.Asked(r.Header) {
		raw, err := s.body(r)
		if err != nil {
			return err
		}
		return s.agent.jobs.Begin(w, r, raw, s.ServeHTTP)
	}
	return route.handle(w, r)
}

// find gives the route of a path, or why there is none.
func (s *api) find(path, method string) (route, error) {
	found, ok := s.others[path]
	if rest, agency := strings.CutPrefix(path, agencyPrefix); agency && (rest == "" || rest[0] == '/') {
		found, ok = s.names[strings.Trim(rest, "/")]
	}
	if !ok {
		return route{}, apierror.New(apierror.NotFound, "unknown path '%s'", path)
	}
	if !slices.Contains(found.methods, method) {
		return route{}, apierror.New(apierror.MethodNotAllowed, "method %s is not supported for %s", method, path)
	}
	return found, nil
}

// withoutDatabase takes the prefix /_db/<name> off a path. An agent has no
// database but _system.
func withoutDatabase(u *url.URL) (string, error) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/_db/")
	if !ok {
		return u.Path, nil
	}
	name, path, _ := strings.Cut(rest, "/")
	database, err := url.PathUnescape(name)
	if err != nil || database != "_system" {
		return "", apierror.New(apierror.DatabaseNotFound, "database '%s' not found", name)
	}
	if path, err = url.PathUnescape("/" + path); err != nil {
		return "", apierror.New(apierror.NotFound, "path %q: %w", rest, err)
	}
	return path, nil
}

// plainError is an error in the agency's own form, {"message":…}.
type plainError struct {
	status  int
	message string
}

func (e plainError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return plainError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return plainError{http.StatusForbidden, fmt.Sprintf(format, args...)}
}

// noLeader is what drivers look for.
const noLeader = "No leader"

// fail answers a request that could not be served. Only ErrNotLeader redirects:
// then nothing has been done. An unknown outcome is 408 or 503, never an error
// that a client might take for "not applied".
func (s *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var plain plainError
	var envelope *apierror.Error
	unknown := errors.Is(err, outcome.ErrUnknown)
	switch {
	case errors.As(err, &plain):
		answer.WriteMessage(w, plain.status, plain.message)
	case errors.As(err, &envelope):
		apierror.Write(w, envelope)
	case unknown && errors.Is(err, outcome.ErrTimeout):
		apierror.Write(w, apierror.New(apierror.RequestTimeout, "%w", err))
	case unknown, errors.Is(err, outcome.ErrTimeout), errors.Is(err, outcome.ErrClosed):
		answer.WriteMessage(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, outcome.ErrNotLeader):
		s.redirect(w, r)
	default:
		s.agent.logger.Error("request not answered", "path", r.URL.Path, "error", err)
		apierror.Write(w, err)
	}
}

// redirect sends a client to the leader, or away if there is none. The request
// target is kept byte for byte.
func (s *api) redirect(w http.ResponseWriter, r *http.Request) {
	id, address := s.agent.leader()
	if id == "" || id == s.agent.id {
		answer.WriteMessage(w, http.StatusServiceUnavailable, noLeader)
		return
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // as a proxy would send it
		target = r.URL.RequestURI()
	}
	w.Header().Set("Location", "http://"+address+target)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusTemporaryRedirect)
}
