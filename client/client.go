// Package client is a small typed client of a coordinator's public HTTP API: what
// the command line, the demo, the load generator and the tests of whole clusters
// need of it. Programs of users take an official driver instead.
//
// A Client may be used by any number of goroutines. Errors are *apierror.Error
// where a coordinator answered; anything else means that no answer came, and that
// the outcome of a write is unknown.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"stasis/internal/apierror"
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

// New makes a client of the coordinator at endpoint: host:port, or a URL with one
// of the schemes that the reference's tools take (tcp, ssl, http, https, http+tcp, http+ssl).
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
	if u.User != nil { // they would not be sent
		return "", fmt.Errorf("endpoint %q: it has credentials in it: give them with --server.username and --server.password", u.Redacted())
	}
	scheme, ok := schemes[u.Scheme]
	if !ok || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("endpoint %q: want tcp://host:port, http://host:port or ssl://host:port", endpoint)
	}
	return scheme + "://" + u.Host, nil
}

// URL is the coordinator's address, as http://host:port.
func (c *Client) URL() string { return c.base }

// Do sends body as JSON (an io.Reader as it is) and decodes the answer into into,
// unless that is nil.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		reader = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if c.opts.Username != "" {
		req.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
	resp, err := c.opts.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, c.base+path, withoutURL(err))
	}
	if err := apierror.FromResponse(resp); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}

// withoutURL drops net/http's repetition of method and URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Stream sends the request, calls opened when the answer has begun, and hands each
// JSON value of it to each until the answer ends, each fails, or the context does.
func (c *Client) Stream(ctx context.Context, path string, opened func(), each func(json.RawMessage) error) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	opened()
	for dec := json.NewDecoder(resp.Body); ; {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		if err := each(raw); err != nil {
			return err
		}
	}
}

// Backup runs POST /_admin/backup/<command> and decodes the result.
func (c *Client) Backup(ctx context.Context, command string, request, result any) error {
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	if err := c.Do(ctx, http.MethodPost, "/_admin/backup/"+command, request, &envelope); err != nil {
		return err
	}
	if err := json.Unmarshal(envelope.Result, result); err != nil {
		return fmt.Errorf("result of %s: %w", command, err)
	}
	return nil
}

// Version is the version that the server gives to clients.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	err := c.Do(ctx, http.MethodGet, "/_api/version", nil, &v)
	return v.Version, err
}
