package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Options say who asks, and how.
type Options struct {
	HTTP     *http.Client // nil: http.DefaultClient
	Username string       // "": no Authorization header
	Password string
}

// Client talks to one coordinator.
type Client struct {
	base string
	opts Options
}

// New makes a client of the coordinator at endpoint: host:port, or a URL with one of the
// schemes that ArangoDB's tools take (tcp, ssl, http, https, http+tcp, http+ssl). It asks
// nothing yet. An endpoint with credentials in it is refused: they would not be sent.
func New(endpoint string, o Options) (*Client, error) {
	base, err := baseURL(endpoint)
	if err != nil {
		return nil, err
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	return &Client{base: base, opts: o}, nil
}

var schemes = map[string]string{
	"tcp": "http", "http": "http", "http+tcp": "http", "h2": "http", "http2+tcp": "http",
	"ssl": "https", "https": "https", "http+ssl": "https",
}

func baseURL(endpoint string) (string, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "tcp://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	if u.User != nil {
		return "", fmt.Errorf("endpoint %q contains credentials, which are not sent: give them as user name and password", u.Redacted())
	}
	scheme, ok := schemes[u.Scheme]
	if !ok || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("endpoint %q: want tcp://host:port, http://host:port or ssl://host:port", endpoint)
	}
	return scheme + "://" + u.Host, nil
}

// URL is the coordinator's address, as http://host:port.
func (c *Client) URL() string { return c.base }
