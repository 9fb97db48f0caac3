package network

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Browsers lists the web pages that may use a server through the browser of a user who
// can reach it. The zero value trusts no page, and knows the server by its own names
// only. Any number of servers may share a value.
type Browsers struct {
	trusted []string // origins
	all     bool     // every origin is trusted
	hosts   []string // in lower case
}

// NewBrowsers checks and makes Browsers. origins ("https://app.example:8443") are those whose pages
// may read and change what is on the server; "*" trusts every page. hosts are further
// names under which the server is reached, without ports: its listening and advertised
// names, localhost and all IP addresses need not be given.
func NewBrowsers(origins, hosts []string) (Browsers, error) {
	var b Browsers
	for _, origin := range origins {
		if b.all = b.all || origin == "*"; origin == "*" {
			continue
		}
		origin = strings.ToLower(strings.TrimSuffix(origin, "/")) // as browsers write it, and without the scheme's own port
		for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
			if strings.HasPrefix(origin, scheme) {
				origin = strings.TrimSuffix(origin, port)
			}
		}
		u, err := url.Parse(origin)
		whole := err == nil && (u.Scheme == "http" || u.Scheme == "https") && !strings.Contains(origin, "*")
		if !whole || http.NewCrossOriginProtection().AddTrustedOrigin(origin) != nil {
			return Browsers{}, fmt.Errorf("trusted origin %q: want http://host:port, https://host:port or *", origin)
		}
		b.trusted = append(b.trusted, origin)
	}
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, ":/*@ ") {
			return Browsers{}, fmt.Errorf("host name %q: want a name without port or wildcard", host)
		}
		b.hosts = append(b.hosts, nameOf(host))
	}
	return b, nil
}

// guard refuses requests of foreign web pages, before the handler of every server. A page that a browser has loaded from
// elsewhere can send requests to any address that the browser reaches, and a foreign name
// can be made to resolve to a local address (DNS rebinding). Clients that are no browsers
// send none of the headers that the guard looks at, except Host.
type guard struct {
	Browsers
	names map[string]bool // of this server, in lower case
	cross *http.CrossOriginProtection
	next  http.Handler
}

// newGuard makes a guard for a server with these addresses (host:port).
func newGuard(b Browsers, own []string, next http.Handler) *guard {
	g := &guard{Browsers: b, names: map[string]bool{"localhost": true}, cross: http.NewCrossOriginProtection(), next: next}
	for _, origin := range b.trusted {
		_ = g.cross.AddTrustedOrigin(origin) // NewBrowsers has checked it
	}
	for _, name := range b.hosts {
		g.names[name] = true
	}
	for _, address := range own {
		if name := nameOf(address); name != "" { // ":8529" has no name
			g.names[name] = true
		}
	}
	return g
}

// nameOf is the host in an address, with or without a port, in lower case.
func nameOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.TrimSuffix(address, "."))
}

// ServeHTTP lets a request through, answers it as a preflight, or refuses it.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := g.checkHost(r); err != nil {
		apierror.Write(w, err)
		return
	}
	g.allow(w.Header(), r)
	switch {
	case r.Method == http.MethodOptions && !overridden(r):
		g.options(w, r)
	case g.foreign(r) && (changes(r) || fetched(r)) && !public(r):
		apierror.Write(w, apierror.New(apierror.Forbidden,
			"refused: a web page from %q sent this request; an operator can trust it with --http.trusted-origin", originOf(r)))
	default:
		g.next.ServeHTTP(w, r)
	}
}

// checkHost refuses a name that is not this server's: a page whose own name was made to
// resolve to this server counts as local for its browser.
func (g *guard) checkHost(r *http.Request) error {
	name := nameOf(r.Host)
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	if r.Host == "" || err == nil || g.names[name] || failpoint.Off("host-is-known") {
		return nil
	}
	return apierror.New(apierror.Forbidden, "refused: %q is not a name of this server; an operator can add it with --http.hosts", name)
}

// foreign reports whether a browser sent the request for a page of another origin that is not
// trusted. The method of the request does not matter.
func (g *guard) foreign(r *http.Request) bool {
	if g.all || failpoint.Off("foreign-page-is-refused") {
		return false
	}
	asChange := *r
	asChange.Method = http.MethodPost // the protection allows all reads
	return g.cross.Check(&asChange) != nil
}

// overrides are the headers that give a request another method than that of its first line.
var overrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

func overridden(r *http.Request) bool {
	return slices.ContainsFunc(overrides, func(name string) bool { return r.Header.Get(name) != "" })
}

// changes reports whether a request may change something.
func changes(r *http.Request) bool {
	return overridden(r) || r.Method != http.MethodGet && r.Method != http.MethodHead
}

// fetched reports whether a script asked for the answer. The
// answer to a link is shown to the user, and the page with the link cannot read it. A browser sends
// Sec-Fetch-Mode only to localhost and over TLS. To other addresses only an Origin shows
// that a page wants to read the answer; a link has none.
func fetched(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate" || r.Header.Get("Origin") != ""
}

// public reports whether a request reads nothing but the version of the program, which
// ArangoDB shows to every page.
func public(r *http.Request) bool { return !changes(r) && r.URL.Path == "/_api/version" }

func originOf(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	return "another site"
}

const (
	allMethods    = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
	exposedHeader = "etag, content-encoding, content-length, location, server, x-arango-errors, x-arango-async-id"
)

// allow sets what ArangoDB answers to a request with an Origin. That the answer may be
// read does not mean that there is one: foreign requests are refused all the same.
func (g *guard) allow(h http.Header, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", fmt.Sprint(g.all || slices.Contains(g.trusted, strings.TrimSuffix(origin, "/"))))
	h.Set("Access-Control-Expose-Headers", exposedHeader)
	h.Add("Vary", "Origin")
}

// options answers OPTIONS on any path, as ArangoDB does.
func (g *guard) options(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Allow", allMethods)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Methods", allMethods)
		h.Set("Access-Control-Max-Age", "1800")
		if asked := strings.TrimSpace(r.Header.Get("Access-Control-Request-Headers")); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
	w.WriteHeader(http.StatusOK)
}
