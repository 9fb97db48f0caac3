// Package answer writes what an agent answers over HTTP: small answers in one piece, large ones
// from the tree, a few at a time.
package answer

import (
	"encoding/json"
	"fmt"
	"net/http"

	"stasis/internal/apierror"
)

// JSONType is the content type of every answer but snapshots and metrics.
const JSONType = "application/json; charset=utf-8"

// JSON is the header value of JSONType. All answers share the list: it must not be changed.
var JSON = []string{JSONType}

// Message is an answer that is a text.
type Message struct {
	Message string `json:"message"`
}

// WriteMessage answers with a text in the agency's own form, {"message":…}.
func WriteMessage(w http.ResponseWriter, status int, text string) {
	Write(w, status, Message{Message: text})
}

// Write answers with a value in JSON. A value that cannot be encoded is answered as an internal
// error.
func Write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", JSONType)
	encoder := json.NewEncoder(statusWriter{w, status})
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		// Either the client is gone, or the body cannot be encoded and nothing
		// has been written yet: then this is the answer.
		apierror.Write(w, fmt.Errorf("encode answer: %w", err))
	}
}

// statusWriter sends the status with the first byte: the encoder writes once,
// when it has succeeded.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w statusWriter) Write(p []byte) (int, error) {
	w.WriteHeader(w.status)
	return w.ResponseWriter.Write(p)
}

func (w statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }
