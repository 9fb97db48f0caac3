package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Do sends body as JSON (an io.Reader as it is) and decodes the answer into into, unless
// that is nil. It is for what this package has no method for. A request whose method is not
// GET or HEAD counts as one that changes something: see [ErrUnknownOutcome].
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	return c.do(ctx, request{method: method, path: path, body: body}, into)
}

// ask is Do for a request that changes nothing, whatever its method.
func (c *Client) ask(ctx context.Context, method, path string, body, into any) error {
	return c.do(ctx, request{method: method, path: path, body: body, reads: true}, into)
}

func (c *Client) do(ctx context.Context, r request, into any) error {
	resp, err := c.send(ctx, r)
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
		return &noAnswer{text: r.method + " " + r.path + ": reading the answer", err: err, unknown: r.changes()}
	}
	return nil
}

// Stream sends a GET request, calls opened when the answer has begun, and hands each JSON
// value of it to each until the answer ends, each fails, or ctx ends.
func (c *Client) Stream(ctx context.Context, path string, opened func(), each func(json.RawMessage) error) error {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: path})
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
			return &noAnswer{text: "GET " + path, err: err}
		}
		if err := each(raw); err != nil {
			return err
		}
	}
}
