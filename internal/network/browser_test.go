package network

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

// What a browser sends for a page, and what a client that is no browser sends.
func TestBrowsersGuard(t *testing.T) {
	const own, foreign = "http://127.0.0.1:8529", "https://evil.example"
	browsers, err := NewBrowsers([]string{"https://app.example/", "http://app.example:8080", "https://Other.Example", "http://port.example:80/"}, []string{"Stasis.Example"})
	require.NoError(t, err)
	everyone, err := NewBrowsers([]string{"*"}, nil)
	require.NoError(t, err)
	type headers map[string]string
	for _, c := range []struct {
		name     string
		browsers Browsers
		method   string
		host     string
		headers  headers
		refused  bool
	}{
		{name: "a client", method: "POST"},
		{name: "a client with an odd content type", method: "POST", headers: headers{"Content-Type": "text/plain"}},
		{name: "a page of the server", method: "POST", headers: headers{"Origin": own, "Sec-Fetch-Site": "same-origin"}},
		{name: "a foreign page", method: "POST", headers: headers{"Origin": foreign, "Sec-Fetch-Site": "cross-site"}, refused: true},
		{name: "a foreign form", method: "POST", headers: headers{"Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, refused: true},
		{name: "a foreign page in an old browser", method: "DELETE", headers: headers{"Origin": foreign}, refused: true},
		{name: "a page on another port", method: "PUT", headers: headers{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, refused: true},
		{name: "a read that is none", method: "GET", headers: headers{"Origin": foreign, "X-HTTP-Method-Override": "DELETE"}, refused: true},
		{name: "a question that is none", method: "OPTIONS", headers: headers{"Origin": foreign, "X-HTTP-Method": "DELETE"}, refused: true},
		{name: "a link that is none", method: "GET", headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "X-HTTP-Method-Override": "DELETE"}, refused: true},
		{name: "a foreign page reads", method: "GET", headers: headers{"Origin": foreign, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, refused: true},
		{name: "a foreign page loads an image", method: "GET", headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, refused: true},
		// Browsers send Sec-Fetch headers to localhost and over TLS only.
		{name: "a foreign page reads an address of the network", method: "GET", host: "192.0.2.1:8529", headers: headers{"Origin": "http://evil.example"}, refused: true},
		{name: "a foreign page of no origin reads", method: "HEAD", host: "192.0.2.1:8529", headers: headers{"Origin": "null"}, refused: true},
		{name: "a page of an address of the network reads its own", method: "GET", host: "192.0.2.1:8529", headers: headers{"Origin": "http://192.0.2.1:8529"}},
		{name: "a trusted page reads an address of the network", browsers: browsers, method: "GET", host: "192.0.2.1:8529", headers: headers{"Origin": "https://app.example"}},
		{name: "a trusted page that was named in capitals", browsers: browsers, method: "PUT", headers: headers{"Origin": "https://other.example"}},
		{name: "a trusted page that was named with its scheme's port", browsers: browsers, method: "PUT", headers: headers{"Origin": "http://port.example"}},
		{name: "no name, but a port", method: "GET", host: ":8529", refused: true},
		{name: "a name before the address", method: "GET", host: "evil@127.0.0.1:8529", refused: true},
		{name: "a link on a foreign page", method: "GET", headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}},
		{name: "an address that was typed", method: "GET", headers: headers{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}},
		{name: "a trusted page", browsers: browsers, method: "POST", headers: headers{"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}},
		{name: "a trusted page on a port", browsers: browsers, method: "DELETE", headers: headers{"Origin": "http://app.example:8080", "Sec-Fetch-Site": "cross-site"}},
		{name: "a trusted name, another scheme", browsers: browsers, method: "DELETE", headers: headers{"Origin": "http://app.example", "Sec-Fetch-Site": "cross-site"}, refused: true},
		{name: "every page is trusted", browsers: everyone, method: "POST", headers: headers{"Origin": foreign, "Sec-Fetch-Site": "cross-site"}},

		{name: "an IP address", method: "GET", host: "192.0.2.1:8529"},
		{name: "an IPv6 address", method: "GET", host: "[2001:db8::1]:8529"},
		{name: "an IPv6 address without port", method: "GET", host: "[::1]"},
		{name: "localhost", method: "GET", host: "LocalHost:8529"},
		{name: "the advertised name", method: "GET", host: "node-1.internal:8529"},
		{name: "a name that resolves here", method: "GET", host: "rebound.example:8529", refused: true},
		{name: "a name that looks like an address", method: "GET", host: "127.0.0.1.evil.example", refused: true},
		{name: "a name of --http.hosts", browsers: browsers, method: "GET", host: "stasis.example.:8529"},
	} {
		t.Run(c.name, func(t *testing.T) {
			served := false
			g := newGuard(c.browsers, []string{"127.0.0.1:8529", "node-1.internal:8529", ":8529", ""}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
			r := httptest.NewRequestWithContext(t.Context(), c.method, own+"/_api/collection", nil)
			if c.host != "" {
				r.Host = c.host
			}
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			require.Equal(t, !c.refused, served, "a request is served that has to be refused, or the other way round: %d %s", w.Code, w.Body)
			if c.refused {
				require.Equal(t, http.StatusForbidden, w.Code)
				require.Contains(t, w.Body.String(), `"errorNum":11`)
			}
		})
	}
}

// A preflight and the headers of an answer are ArangoDB's.
func TestCORS(t *testing.T) {
	const page = "https://app.example"
	trusting, err := NewBrowsers([]string{page}, nil)
	require.NoError(t, err)
	ask := func(b Browsers, method string, headers ...string) http.Header {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:8529/_api/version", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		newGuard(b, nil, http.NotFoundHandler()).ServeHTTP(w, r)
		if method == http.MethodOptions {
			require.Equal(t, http.StatusOK, w.Code)
			require.Empty(t, w.Body)
		}
		return w.Header()
	}
	h := ask(trusting, "OPTIONS")
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT", h.Get("Allow"))
	require.Contains(t, h.Get("Content-Type"), "text/plain")
	require.Empty(t, h.Get("Access-Control-Allow-Origin"))

	h = ask(trusting, "OPTIONS", "Origin", page, "Access-Control-Request-Headers", " x-one, x-two ")
	require.Equal(t, page, h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", h.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "1800", h.Get("Access-Control-Max-Age"))
	require.Equal(t, "x-one, x-two", h.Get("Access-Control-Allow-Headers"))
	require.Equal(t, h.Get("Allow"), h.Get("Access-Control-Allow-Methods"))

	h = ask(Browsers{}, "OPTIONS", "Origin", page, "Access-Control-Request-Headers", " ")
	require.Equal(t, "false", h.Get("Access-Control-Allow-Credentials"))
	require.NotContains(t, h, "Access-Control-Allow-Headers")

	// The version is for every page: ArangoDB's tests of CORS read it.
	h = ask(Browsers{}, "GET", "Origin", page)
	require.Equal(t, page, h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "false", h.Get("Access-Control-Allow-Credentials"))
	require.NotContains(t, h.Get("Content-Type"), "json", "it comes to the handler")
	require.Equal(t, "Origin", h.Get("Vary"), "a cache would give one page's permission to another")
	h = ask(Browsers{}, "POST", "Origin", page)
	require.Contains(t, h.Get("Content-Type"), "json", "what may change something does not come to the handler")

	h = ask(trusting, "GET", "Origin", page)
	require.Equal(t, page, h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "etag, content-encoding, content-length, location, server, x-arango-errors, x-arango-async-id", h.Get("Access-Control-Expose-Headers"))
}

func TestBrowsersSettings(t *testing.T) {
	for _, origin := range []string{"app.example", "ftp://app.example", "https://app.example/path", "https://*.example", "null", ""} {
		_, err := NewBrowsers([]string{origin}, nil)
		require.Error(t, err, origin)
	}
	for _, host := range []string{"", "app.example:80", "*", "http://app.example", "a b"} {
		_, err := NewBrowsers(nil, []string{host})
		require.Error(t, err, host)
	}
}

// A server is asked by the name that it listens at, the one that it advertises, and those that it was
// given; by no other.
func TestServerKnowsItsNames(t *testing.T) {
	n := fault.NewNetwork()
	defer func() { require.NoError(t, n.Close()) }()
	s, err := NewServer(n.Host("listening"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ServerOptions{
		Address: "listening:1", Advertise: "advertised.example:8529", Names: []string{"given.example:1"},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Shutdown(t.Context())) }()
	web := NewHTTPClient(n.Host("client"))
	defer web.CloseIdleConnections()
	for host, status := range map[string]int{
		"listening:1": 200, "advertised.example:8529": 200, "Advertised.Example": 200, "given.example:7": 200, "other.example:1": 403,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://listening:1/", nil)
		require.NoError(t, err)
		r.Host = host
		response, err := web.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, host)
	}
}
