package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Answer writes body: as it is if it is json.RawMessage, otherwise encoded as JSON.
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
	_, _ = c.W.Write(raw) // an error means that the client has gone
	return nil
}

// AnswerPieces writes a JSON body that is in pieces.
func (c *Call) AnswerPieces(status int, body *Pieces) error {
	h := c.W.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	c.W.WriteHeader(status)
	for _, p := range body.all {
		if _, err := c.W.Write(p); err != nil {
			return nil //nolint:nilerror // the client has gone
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

// List writes fields and the list result in the envelope of success. The items must be valid
// JSON. They are sent as they are, without another copy.
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

// Encode returns v as JSON. Documents in v stay as they are: "<" is not escaped.
func Encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
