package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// Call is one request on its way through a handler.
type Call struct {
	W     http.ResponseWriter
	R     *http.Request
	DB    string   // of the path's prefix, _system without one
	Args  []string // what the pattern's parts in braces matched
	Query url.Values

	bodyBytes int64
}

// Arg is the i-th part matched by braces.
func (c *Call) Arg(i int) string { return c.Args[i] }

// Flag is a boolean of the query; def if it is not there.
func (c *Call) Flag(name string, def bool) (bool, error) {
	v := strings.ToLower(c.Query.Get(name))
	switch v {
	case "":
		return def, nil
	case "true", "yes", "on", "y", "1":
		return true, nil
	case "false", "no", "off", "n", "0":
		return false, nil
	}
	return false, apierror.New(apierror.BadParameter, "query parameter %s: %q is neither true nor false", name, v)
}

// Body is the request's whole body, decompressed; 413 if it is beyond the limit. Its
// memory is taken from the request's account as it comes.
func (c *Call) Body() ([]byte, error) {
	if c.R.ContentLength > c.bodyBytes {
		return nil, apierror.New(apierror.EntityTooLarge, "the request body is larger than %d bytes: send less at a time, or start the server with a larger --http.max-body", c.bodyBytes)
	}
	r, err := c.Stream()
	if err != nil {
		return nil, err
	}
	length := int64(-1)
	if _, packed := r.(*inflated); !packed {
		length = c.R.ContentLength
	}
	raw, err := budget.ReadAll(c.Account(), r, c.bodyBytes, length)
	if err != nil {
		return nil, network.BodyError(err)
	}
	return raw, nil
}

// JSON is the request's body, checked to be JSON text in UTF-8.
func (c *Call) JSON() (json.RawMessage, error) {
	body, err := c.Body()
	if err != nil {
		return nil, err
	}
	return CheckJSON(body)
}

// CheckJSON is body without surrounding space; 400/600 if it is no JSON.
func CheckJSON(body []byte) (json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, apierror.New(apierror.CorruptedJSON, "expecting JSON, found nothing")
	}
	if !utf8.Valid(body) {
		return nil, apierror.New(apierror.CorruptedJSON, "JSON is not valid UTF-8")
	}
	if !json.Valid(body) {
		var v any
		return nil, apierror.New(apierror.CorruptedJSON, "invalid JSON: %w", json.Unmarshal(body, &v))
	}
	return body, nil
}

// objectFactor is how much more than its text an object of a request may be when decoded:
// `[{},{}]` becomes two maps.
const objectFactor = 16

// Object reads the body, an object, into a struct. Attributes it has no field for are
// ignored. A missing body is an empty object. A value of the wrong type is 400/10.
func (c *Call) Object(into any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	raw, err := CheckJSON(body)
	if err != nil {
		return err
	}
	if raw[0] != '{' {
		return apierror.New(apierror.BadParameter, "expecting a JSON object in the body")
	}
	if err := c.Account().Take(objectFactor * int64(len(raw))); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			return apierror.New(apierror.BadParameter, "attribute %q: unexpected %s", t.Field, t.Value)
		}
		return apierror.New(apierror.BadParameter, "request body: %w", err)
	}
	return nil
}

// Answer writes body, as it is if it is json.RawMessage, otherwise as JSON.
func (c *Call) Answer(status int, body any) error {
	raw, ok := body.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = Encode(body); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		c.Account().Owe(int64(cap(raw)))
	}
	h := c.W.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	c.W.WriteHeader(status)
	_, _ = c.W.Write(raw) // the client is gone: nobody to tell
	return nil
}

// AnswerPieces writes a JSON body that lies in pieces.
func (c *Call) AnswerPieces(status int, body *Pieces) error {
	h := c.W.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	c.W.WriteHeader(status)
	for _, p := range body.all {
		if _, err := c.W.Write(p); err != nil {
			return nil //nolint:nilerror // the client is gone: nobody to tell
		}
	}
	return nil
}

// Fields are the attributes of an answer.
type Fields map[string]any

// OK writes fields in the envelope of success.
func (c *Call) OK(status int, fields Fields) error {
	all := Fields{"error": false, "code": status}
	for k, v := range fields {
		all[k] = v
	}
	return c.Answer(status, all)
}

// List writes fields and the list result in the envelope of success. The items are valid
// JSON; they are sent as they are, without another copy of them all.
func (c *Call) List(status int, fields Fields, items []json.RawMessage) error {
	all := Fields{"error": false, "code": status}
	for k, v := range fields {
		all[k] = v
	}
	head, err := Encode(all)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	var pieces Pieces
	pieces.Add(bytes.TrimSuffix(head, []byte("}")), []byte(`,"result":[`))
	for i, item := range items {
		if i > 0 {
			pieces.Add([]byte(","))
		}
		pieces.Add(item)
	}
	pieces.Add([]byte("]}"))
	return c.AnswerPieces(status, &pieces)
}

// Result writes the envelope of success with one attribute, result.
func (c *Call) Result(status int, result any) error {
	return c.OK(status, Fields{"result": result})
}

// Encode is JSON that leaves documents inside as they are, "<" included.
func Encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
