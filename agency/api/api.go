// Package api is the HTTP interface of an agent: ArangoDB's agency API, and a few paths of its
// own.
//
// A request is routed (api.go), bounded before it is parsed (bounds.go, envelope.go), and answered
// by one of six handlers, each of which knows only the parts of the agent that it needs: data
// (write, read, transact, transient, inquire), watch (poll), trees (state, stores, store,
// snapshot), settings (config, compact), membership (members, founding) and server (version,
// role, status, metrics). Errors become answers in one place (errors.go).
package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stasis/agency/answer"
	"stasis/agency/asyncjob"
	"stasis/agency/keys"
	"stasis/agency/origin"
	"stasis/internal/apierror"
)

// API is the handler of all requests. Its methods may be called from any goroutine.
type API struct {
	// Jobs are the requests that are answered later.
	Jobs *asyncjob.Jobs
	// Queues are the large answers that are being sent.
	Queues *answer.Queues

	errors  errorWriter
	bodies  bodies
	origins *origin.Origins
	names   map[string]route // below Prefix
	others  map[string]route // by path
}

// route is what a path does with which methods.
type route struct {
	methods []string
	handle  func(http.ResponseWriter, *http.Request) error
}

// New makes the handler.
func New(o Options) *API {
	s := &API{
		Jobs:    asyncjob.New(o.Limits.Budget, o.Tree.Wall()),
		Queues:  answer.NewQueues(o.Tree.Removed, o.Quota.Clients()/2),
		errors:  errorWriter{self: o.Self.ID, leads: o.Leads, logger: o.Logger},
		bodies:  bodies{max: o.MaxBody, leader: o.Leader, tree: o.Tree},
		origins: o.Origins,
	}
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	d := newData(o, s.bodies, s.Queues)
	w := &watch{leader: o.Leader, reader: o.Reader, tree: o.Tree, queues: s.Queues}
	t := &trees{leader: o.Leader, reader: o.Reader, tree: o.Tree, origins: o.Origins, queues: s.Queues, bodies: s.bodies, logger: o.Logger}
	c := newSettings(o, s.bodies)
	m := &membership{members: o.Members, leader: o.Leader, origins: o.Origins, founder: o.Founder, bodies: s.bodies}
	a := &server{id: o.Self.ID, advertise: o.Self.Advertise, running: o.Running, fence: o.Fence, limits: o.Limits, quota: o.Quota, tree: o.Tree}
	s.names = map[string]route{
		"write":     {post, d.serve(d.write)},
		"read":      {post, d.serve(d.read)},
		"transact":  {post, d.serve(d.transact)},
		"transient": {post, d.serve(d.transient)},
		"inquire":   {post, d.serve(d.inquire)},
		"poll":      {get, w.poll},
		"config":    {[]string{http.MethodGet, http.MethodPut, http.MethodPost}, c.serve},
		"compact":   {post, c.compact},
		"state":     {get, t.state},
		"stores":    {get, t.stores},
		"store":     {post, t.store},
		"snapshot":  {get, t.snapshot},
		"founding":  {post, m.founding},
		"members":   {[]string{http.MethodGet, http.MethodPost, http.MethodDelete}, m.serve},
	}
	s.others = map[string]route{
		"/_api/version":               {get, a.version},
		"/_admin/server/role":         {get, a.role},
		"/_admin/server/id":           {get, a.identify},
		"/_admin/server/availability": {get, a.availability},
		"/_admin/status":              {get, a.status},
		"/_admin/metrics":             {get, a.metrics},
		"/_admin/metrics/v2":          {get, a.metrics},
	}
	return s
}

// everyAnswer has these headers. The lists are shared and must not be changed.
var everyAnswer = http.Header{
	"Server":                      {"ArangoDB"},
	"X-Content-Type-Options":      {"nosniff"},
	"X-Arango-Queue-Time-Seconds": {"0.000000"},
}

// ServeHTTP answers one request.
func (s *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), everyAnswer)
	if header := s.origins.Header(); header != nil {
		w.Header()[keys.OriginHeader] = header
	}
	if err := s.serve(w, r); err != nil {
		s.errors.write(w, r, err)
	}
}

// Close cancels what goes on without its client, and waits for it.
func (s *API) Close() { s.Jobs.Close() }

func (s *API) serve(w http.ResponseWriter, r *http.Request) error {
	path, err := withoutDatabase(r.URL)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(path, asyncjob.Path); ok {
		return s.Jobs.Serve(w, r, rest)
	}
	route, err := s.find(path, r.Method)
	if err != nil {
		return err
	}
	if err := s.misdirected(r.Header); err != nil {
		return err
	}
	if asyncjob.Asked(r.Header) {
		raw, err := s.bodies.read(r)
		if err != nil {
			return err
		}
		return s.Jobs.Begin(w, r, raw, s.ServeHTTP)
	}
	return route.handle(w, r)
}

// misdirected says why a request is not for this agent, before anything is done about it.
func (s *API) misdirected(asked http.Header) error {
	named, mine := asked[keys.OriginHeader], s.origins.Header()
	if len(named) == 0 || named[0] == "" || mine == nil || named[0] == mine[0] {
		return nil
	}
	theirs, err := keys.ParseOrigin(named[0])
	if err != nil {
		return badRequest("header %s: %v", keys.OriginHeader, err)
	}
	return s.origins.RefuseRequest(theirs)
}

// find gives the route of a path, or why there is none.
func (s *API) find(path, method string) (route, error) {
	found, ok := s.others[path]
	if rest, agency := strings.CutPrefix(path, Prefix); agency && (rest == "" || rest[0] == '/') {
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

// withoutDatabase takes the prefix /_db/<name> off a path. An agent has no database but _system.
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
