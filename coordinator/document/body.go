package document

import (
	"bytes"
	"encoding/json"
	"strings"

	"stasis/internal/apierror"
)

// maxKeyBytes is the longest document key.
const maxKeyBytes = 254

// maxBodyBytes is the longest JSON that can be a document of the 16 MiB that DB servers store,
// with much white space. Longer text is not parsed.
const maxBodyBytes = 32 << 20

// maxDepth is how deep a document may be nested. Requests and answers put documents inside
// further levels, and encoding/json reads at most 10,000.
const maxDepth = 1000

// keySymbols are the characters of keys that are neither letters nor digits.
const keySymbols = "_-:.@()+,=;$!*'%"

// CheckKey returns 1221 unless key is a valid document key.
func CheckKey(key string) error {
	ok := key != "" && len(key) <= maxKeyBytes
	for i := 0; ok && i < len(key); i++ {
		b := key[i]
		ok = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte(keySymbols, b) >= 0
	}
	if !ok {
		return apierror.New(apierror.DocumentKeyBad, "illegal document key %.300q", key)
	}
	return nil
}

// Body is a parsed object of a request. A pointer is nil if the object does not have the
// attribute.
type Body struct {
	Key, ID, Rev *json.RawMessage
	From, To     *json.RawMessage
	fields       []field
}

type field struct {
	name  string
	value json.RawMessage
}

// ParseBody parses a valid JSON value: 1227 if it is not an object, 1216 if it is too long for a
// document, 400/10 if it is nested too deep.
func ParseBody(raw json.RawMessage) (*Body, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return nil, apierror.New(apierror.DocumentTypeInvalid, "invalid document type: expecting an object")
	}
	if len(raw) > maxBodyBytes {
		return nil, apierror.New(apierror.DocumentTooLarge, "document of %d bytes is larger than %d", len(raw), maxBodyBytes/2)
	}
	if tooDeep(raw) {
		return nil, apierror.New(apierror.BadParameter, "document is nested more than %d levels deep", maxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, corrupt(err)
	}
	b := &Body{}
	seen := map[string]int{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, corrupt(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, corrupt(err)
		}
		b.add(name.(string), value, seen)
	}
	return b, nil
}

// tooDeep says whether a valid JSON text is nested more than maxDepth levels deep.
func tooDeep(raw []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func corrupt(err error) error {
	return apierror.New(apierror.CorruptedJSON, "invalid JSON: %w", err)
}

func (b *Body) add(name string, value json.RawMessage, seen map[string]int) {
	switch name {
	case "_key":
		b.Key = &value
	case "_id":
		b.ID = &value
	case "_rev":
		b.Rev = &value
	default:
		if name == "_from" {
			b.From = &value
		} else if name == "_to" {
			b.To = &value
		}
		if i, ok := seen[name]; ok {
			b.fields[i].value = value
			return
		}
		seen[name] = len(b.fields)
		b.fields = append(b.fields, field{name, value})
	}
}

// Set sets an attribute other than _key, _id and _rev.
func (b *Body) Set(name string, value json.RawMessage) {
	seen := map[string]int{}
	for i, f := range b.fields {
		seen[f.name] = i
	}
	b.add(name, value, seen)
}

// stored returns the object as DB servers store it: without _key, _id and _rev.
func (b *Body) stored() json.RawMessage {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, f := range b.fields {
		if i > 0 {
			buf.WriteByte(',')
		}
		writeString(&buf, f.name)
		buf.WriteByte(':')
		buf.Write(f.value)
	}
	buf.WriteByte('}')
	return buf.Bytes()
}

func writeString(buf *bytes.Buffer, s string) {
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)             // a string can always be encoded
	buf.Truncate(buf.Len() - 1) // the encoder's newline
}

// text returns the value of a JSON string, false for any other value.
func text(raw *json.RawMessage) (string, bool) {
	if raw == nil || len(*raw) == 0 || (*raw)[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(*raw, &s)
	return s, err == nil
}

// checkEdge returns 1233 if an edge lacks _from or _to, or if one is not a document handle. With
// partial, which is for updates, they may be missing.
func (b *Body) checkEdge(partial bool) error {
	for _, end := range []struct {
		name  string
		value *json.RawMessage
	}{{"_from", b.From}, {"_to", b.To}} {
		if end.value == nil && partial {
			continue
		}
		s, ok := text(end.value)
		collection, key, found := strings.Cut(s, "/")
		if !ok || !found || collection == "" || CheckKey(key) != nil {
			return apierror.New(apierror.EdgeAttributeMissing, "edge attribute %s is missing or not a document handle", end.name)
		}
	}
	return nil
}

// stripCollection returns the key of a handle of this collection ("c/k", or only "k"); 1205 for
// anything else.
func stripCollection(handle, collection string) (string, error) {
	if c, key, found := strings.Cut(handle, "/"); found {
		if c != collection {
			return "", apierror.New(apierror.DocumentHandleBad, "document handle %.300q is not of collection %s", handle, collection)
		}
		handle = key
	}
	return handle, CheckKey(handle)
}
