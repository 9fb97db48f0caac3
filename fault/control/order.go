package control

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// Bounds of an order. A rule goes into each list of rules: what orders may hold bounds what a controller has to read.
const (
	mostName  = 256  // bytes of a name
	mostText  = 1024 // bytes of a path
	mostKinds = 64
	longestBy = 365 * 24 * time.Hour
)

// decode reads a request. A field that it does not have is an error: an order with a misspelt limit must not be carried out
// without the limit. The number is known also if the rest is wrong.
func decode(raw []byte) (r request, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, Errorf(BadOrder, "the request is none of this protocol: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return r, Errorf(BadOrder, "the request is none of this protocol: a line has one object, and this one has more")
	}
	return r, nil
}

// check refuses what no verb takes.
func (o Order) check() error {
	for name, text := range map[string]string{"server": o.Server, "from": o.From, "to": o.To, "error": o.Error} {
		if len(text) > mostName {
			return Errorf(BadOrder, "%q: %s has %d bytes: want at most %d", o.Do, name, len(text), mostName)
		}
	}
	for name, by := range map[string]time.Duration{"by": o.By, "jitter": o.Jitter} {
		if by > longestBy || by < -longestBy {
			return Errorf(BadOrder, "%q: %s is %v: want at most %v", o.Do, name, by, longestBy)
		}
	}
	if c := o.Calls; c != nil && (len(c.Path) > mostText || len(c.Kinds) > mostKinds) {
		return Errorf(BadOrder, "%q: the calls have a path of %d bytes and %d kinds: want at most %d and %d", o.Do, len(c.Path), len(c.Kinds), mostText, mostKinds)
	}
	if m := o.Message; m != nil {
		if n := max(len(m.From), len(m.To)); n > mostName || len(m.Path) > mostText {
			return Errorf(BadOrder, "%q: the message has a name of %d bytes and a path of %d: want at most %d and %d", o.Do, n, len(m.Path), mostName, mostText)
		}
		if m.By > longestBy {
			return Errorf(BadOrder, "%q: by is %v: want at most %v", o.Do, m.By, longestBy)
		}
	}
	if m := o.Moment; m != nil {
		for _, text := range []string{string(m.Step), m.Operation, m.ID, m.Label, m.Server} {
			if len(text) > mostName {
				return Errorf(BadOrder, "%q: the step is described by %d bytes: want at most %d for each part", o.Do, len(text), mostName)
			}
		}
	}
	return nil
}

// mostRules bounds the rules of a process.
const mostRules = 1000

// full refuses one rule too many.
func (r *rules) full() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) >= mostRules {
		return Errorf(CannotDo, "%d rules are in force, and a process takes no more: heal some first", len(r.all))
	}
	return nil
}
