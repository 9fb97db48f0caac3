package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"

	"stasis/internal/apierror"
)

const (
	maxDocumentBytes = 16 << 20 // of the stored JSON
	maxKeyBytes      = 254
	timeBytes        = 8
)

var errDocument = errors.New("stored document is damaged")

// document is what is stored under a key.
type document struct {
	time uint64 // of its revision
	json []byte // compact; begins with _key, _id, _rev
}

func (d document) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, timeBytes+len(d.json)), d.time)
	return append(b, d.json...)
}

func decodeDocument(b []byte) (*document, error) {
	if len(b) <= timeBytes {
		return nil, errDocument
	}
	return &document{time: binary.BigEndian.Uint64(b), json: b[timeBytes:]}, nil
}

func (d *document) rev() string { return revision(d.time) }

// body is the document's own attributes, without the system's.
func (d *document) body() (*object, error) {
	o, ok := parseObject(d.json)
	if !ok {
		return nil, errDocument
	}
	o.removeSystem()
	return o, nil
}

// parseBody reads a document that a client sent.
func parseBody(raw []byte) (*object, error) {
	if len(raw) > 2*maxDocumentBytes { // more than white space can explain
		return nil, tooLarge(len(raw))
	}
	c, err := compact(raw)
	if err != nil {
		return nil, apierror.New(apierror.CorruptedJSON, "%w", err)
	}
	o, ok := parseObject(c)
	if !ok {
		return nil, apierror.New(apierror.DocumentTypeInvalid, "invalid document type: a document is a JSON object")
	}
	o.removeSystem()
	return o, nil
}

func (o *object) removeSystem() {
	for _, name := range []string{"_key", "_id", "_rev"} {
		if i := o.find(name); i >= 0 {
			o.members[i].value = nil
		}
	}
}

// newDocument puts the system attributes before a body's. key is one that
// checkKey lets through: it needs no quoting.
func newDocument(key, collection string, time uint64, body *object) (document, error) {
	b := []byte(`{"_key":"` + key + `","_id":` + quote(collection+"/"+key) + `,"_rev":"` + revision(time) + `"`)
	if attributes := body.appendMembers(nil); len(attributes) > 0 {
		b = append(append(b, ','), attributes...)
	}
	b = append(b, '}')
	if len(b) > maxDocumentBytes {
		return document{}, tooLarge(len(b))
	}
	return document{time: time, json: b}, nil
}

func tooLarge(size int) error {
	return apierror.New(apierror.DocumentTooLarge, "document of %d bytes is larger than %d", size, maxDocumentBytes)
}

// checkKey lets through what may be a _key: 1 to 254 letters, digits and some
// punctuation.
func checkKey(key string) error {
	if len(key) == 0 {
		return apierror.New(apierror.DocumentKeyMissing, "missing document key")
	}
	for i := 0; i < len(key); i++ {
		if !isKeyByte[key[i]] {
			return apierror.New(apierror.DocumentKeyBad, "illegal document key %s", strconv.QuoteToASCII(key[:min(len(key), maxKeyBytes)]))
		}
	}
	if len(key) > maxKeyBytes {
		return apierror.New(apierror.DocumentKeyBad, "illegal document key: longer than %d bytes", maxKeyBytes)
	}
	return nil
}

var isKeyByte = func() (ok [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:.@()+,=;$!*'%") {
		ok[c] = true
	}
	return ok
}()

// Entry is a stored document or transaction under its key, as a copy carries it.
type Entry struct {
	Space Space
	Key   string
	Value []byte
}

// sum is what an entry adds to a Checksum. Keys of documents have no zero byte, so it is another for each space.
func (e Entry) sum() uint64 {
	h := sha256.New()
	if e.Space != Documents {
		_, _ = h.Write([]byte{0, byte(e.Space)}) // a hash takes everything
	}
	_, _ = h.Write(append([]byte(e.Key), 0))
	_, _ = h.Write(e.Value)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// sumOf is what a stored document adds to a Checksum.
func sumOf(key string, value []byte) uint64 {
	return Entry{Space: Documents, Key: key, Value: value}.sum()
}
