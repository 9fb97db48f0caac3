package workload

import (
	"encoding/json"
	"fmt"

	"stasis/lab/history"
)

// version is what a document says of the write that made it. N counts the versions of the document from 1.
type version struct {
	N  int    `json:"n"`
	ID string `json:"id"`
}

// written is what a write asks for: the document, and which version it follows.
type written struct {
	Before string          `json:"before,omitempty"`
	Doc    json.RawMessage `json:"doc"`
}

func versionOf(raw json.RawMessage) (v version, err error) {
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("document: %w", err)
	}
	return v, nil
}

// docOf is the document that a write asks for; nothing if the operation is no write.
func docOf(o history.Op) json.RawMessage {
	var w written
	if !o.Write() || json.Unmarshal(o.Value, &w) != nil {
		return nil
	}
	return w.Doc
}
