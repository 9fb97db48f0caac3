package documents

import (
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/budget"
)

// maxDetails bounds the errors in the answer to an import. One more line says how many are
// left out.
const maxDetails = 1000

// outcome is the answer to an import.
type outcome struct {
	Error   bool `json:"error"`
	Created int  `json:"created"`
	Errors  int  `json:"errors"`
	Empty   int  `json:"empty"`
	Updated int  `json:"updated"`
	Ignored int  `json:"ignored"`

	withDetails bool
	details     []string
}

// count counts a document that was imported.
func (o *outcome) count(r dbclient.OpResult) {
	switch {
	case r.Ignored:
		o.Ignored++
	case r.Created:
		o.Created++
	default:
		o.Updated++
	}
}

// fail counts a document that was not imported.
func (o *outcome) fail(detail string) {
	o.Errors++
	if o.withDetails && len(o.details) < maxDetails {
		o.details = append(o.details, detail)
	}
}

func (o *outcome) imported() int { return o.Created + o.Updated + o.Ignored }

// body has the attribute details exactly if the client asked for it, even if it is empty.
func (o *outcome) body() any {
	if !o.withDetails {
		return o
	}
	details := append([]string{}, o.details...)
	if more := o.Errors - len(details); more > 0 {
		details = append(details, fmt.Sprintf("%d more errors are not listed", more))
	}
	return struct {
		*outcome
		Details []string `json:"details"`
	}{o, details}
}

// memory is what an import holds for the documents that it has read and not sent yet.
type memory struct {
	account *budget.Account
	held    int64 // bytes
}

func (m *memory) take(bytes int64) error {
	err := m.account.Take(bytes)
	if err == nil {
		m.held += bytes
	}
	return err
}

func (m *memory) release() {
	m.account.Give(m.held)
	m.held = 0
}
