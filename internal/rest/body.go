package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// Stream returns the request's body, decompressed. It is not bounded as a whole.
func (c *Call) Stream() (io.Reader, error) {
	enc := strings.ToLower(c.R.Header.Get("Content-Encoding"))
	switch enc {
	case "", "identity":
		return c.R.Body, nil
	case "gzip", "deflate":
	default:
		return nil, apierror.New(apierror.BadRequest, "content encoding %q is not supported: want gzip, deflate or none", enc).WithStatus(http.StatusUnsupportedMediaType)
	}
	if err := c.Account().Take(inflaterBytes); err != nil {
		return nil, err
	}
	return inflate(c.R.Body, enc)
}

// body returns the request's whole body, decompressed; 413 if it is larger than the limit. Its
// memory is taken from the request's account as it arrives.
func (c *Call) body() ([]byte, error) {
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

// JSON returns the request's body if it is JSON text in UTF-8.
func (c *Call) JSON() (json.RawMessage, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	return checkJSON(body)
}

// checkJSON returns body without surrounding space, or 400/600 if it is not JSON.
func checkJSON(body []byte) (json.RawMessage, error) {
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

// objectFactor is how much more memory than its text a decoded object may take: `[{},{}]`
// becomes two maps.
const objectFactor = 16

// Object reads the body, an object, into a struct. It ignores attributes for which the struct
// has no field. A missing body is an empty object. A value of the wrong type is 400/10.
func (c *Call) Object(into any) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	raw, err := checkJSON(body)
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
