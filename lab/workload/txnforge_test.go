package workload

import (
	"encoding/json"
	"errors"

	"github.com/stretchr/testify/require"

	"stasis/lab/history"
)

// deal is a transaction that was begun by hand.
type deal struct {
	f *forge
	*history.Call
	txn
}

// deal begins a transaction of a process, whose id is its name.
func (f *forge) deal(process int, kind, id string) *deal {
	d := &deal{f: f, txn: txn{ID: id}}
	d.Call = f.begin(process, kind, "", raw(f.t, d.txn))
	return d
}

// saw adds a read.
func (d *deal) saw(key string, doc json.RawMessage) *deal {
	d.Steps = append(d.Steps, step{Do: reading, Key: key, Doc: doc, From: d.f.h.Now(), To: d.f.h.Now()})
	return d
}

// wrote adds a write of the version n, which follows another.
func (d *deal) wrote(key string, n int, before string, fields map[string]any) *deal {
	doc := map[string]any{"_key": key, "n": n, "id": d.ID}
	s := step{Do: writing, Key: key, Before: before}
	for name, value := range fields {
		doc[name] = value
	}
	if list, is := fields["list"].([]int); is {
		s.Element = list[len(list)-1]
	}
	s.Doc = raw(d.f.t, doc)
	d.Steps = append(d.Steps, s)
	return d
}

// record writes down what the transaction has done.
func (d *deal) record() *deal {
	require.NoError(d.f.t, d.Amend(raw(d.f.t, d.txn)))
	return d
}

// send is about to send the commit.
func (d *deal) send() *deal {
	d.Sent = d.f.h.Now()
	return d.record()
}

func (d *deal) ok() *deal {
	if d.Sent.Order == 0 {
		d.send()
	}
	d.End(history.OK, nil, nil)
	return d
}

// aborted ends it without a commit.
func (d *deal) aborted() *deal {
	d.record().End(history.Fail, nil, errors.New("aborted"))
	return d
}

func (d *deal) unknown() *deal {
	d.send().End(history.Info, nil, errors.New("no answer"))
	return d
}

// doc is what it wrote last to a key.
func (d *deal) doc(key string) json.RawMessage {
	for _, w := range d.writes() {
		if w.Key == key {
			return w.Doc
		}
	}
	d.f.t.Fatalf("%s has not written %s", d.ID, key)
	return nil
}

// state is what some transactions have written of keys, the last one of each.
func state(of map[string]*deal) State {
	s := State{}
	for key, d := range of {
		s[key] = d.doc(key)
	}
	return s
}
