package api

import (
	"bytes"
	"errors"

	"stasis/fsm"
)

// envelope is a parsed request body of write, transact or transient.
type envelope struct {
	elements     []element
	transactions []fsm.Transaction // those worth proposing, in order
	bytes        int
	forbidden    bool // some transaction touches .agency
}

// element is one entry of an envelope. A transaction that cannot be applied whatever the state
// never reaches the log: it has a result, but no slot.
type element struct {
	query []string // paths to read; nil for a transaction
	slot  int      // place among the envelope's transactions, -1 if not there
}

// list reads a body that has to be a JSON array. Its items share the body's bytes.
func list(raw []byte) ([][]byte, error) {
	items, ok := fsm.Elements(raw)
	if !ok {
		return nil, badRequest("request body is no JSON array")
	}
	return items, nil
}

// parseWrite reads an envelope of transactions only.
func parseWrite(raw []byte) (envelope, error) {
	items, err := list(raw)
	if err != nil {
		return envelope{}, err
	}
	if len(items) == 0 {
		return envelope{}, badRequest("empty request")
	}
	e := envelope{bytes: len(raw)}
	for i, item := range items {
		if err := e.addTransaction(item); err != nil {
			return envelope{}, badRequest("transaction %d: %v", i, err)
		}
	}
	return e, nil
}

// parseTransact reads an envelope of transactions and queries. Elements of any
// other kind add no entry.
func parseTransact(raw []byte) (envelope, error) {
	items, err := list(raw)
	if err != nil {
		return envelope{}, err
	}
	e := envelope{bytes: len(raw)}
	for i, item := range items {
		switch firstOf(item) {
		case '{':
			err = e.addTransaction(item)
		case '"':
			err = e.addQuery(item)
		}
		if err != nil {
			return envelope{}, badRequest("element %d: %v", i, err)
		}
	}
	return e, nil
}

// firstOf is the first byte of an array's first item, 0 if it has none or is no array.
func firstOf(raw []byte) byte {
	const blanks = " \t\r\n"
	inside, ok := bytes.CutPrefix(bytes.TrimLeft(raw, blanks), []byte("["))
	if inside = bytes.TrimLeft(inside, blanks); ok && len(inside) > 0 {
		return inside[0]
	}
	return 0
}

func (e *envelope) addTransaction(raw []byte) error {
	tx, err := fsm.AdoptTransaction(raw)
	slot := -1
	switch {
	case errors.Is(err, fsm.ErrMalformed): // its result is 0
	case err != nil:
		return err
	case tx.Forbidden():
		e.forbidden = true
	default:
		slot = len(e.transactions)
		e.transactions = append(e.transactions, tx)
	}
	e.elements = append(e.elements, element{slot: slot})
	return nil
}

func (e *envelope) addQuery(raw []byte) error {
	paths, err := parseQuery(raw)
	if err == nil {
		e.elements = append(e.elements, element{query: paths, slot: -1})
	}
	return err
}

// parseQuery reads an array of paths, an item of list.
func parseQuery(raw []byte) ([]string, error) {
	query, ok := fsm.Texts(raw)
	if !ok {
		return nil, errors.New("a query is an array of paths")
	}
	return query, nil
}
