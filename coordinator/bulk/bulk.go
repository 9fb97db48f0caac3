// Package bulk reads the bodies of imports, document by document: JSON lines, one JSON array, or
// lines of arrays under a line of attribute names. It keeps at most one document in memory, and
// none that is larger than the limit.
//
// An item that is not a document is returned with its error. Lines can be read on after it; an
// array ends where its JSON is broken.
package bulk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stasis/internal/apierror"
)

// Format is the format of the body.
type Format string

// Formats, as clients name them in the parameter type.
const (
	formatLines  Format = "documents" // one object per line
	formatList   Format = "list"      // one array of objects
	formatArray  Format = "array"     // the same
	formatAuto   Format = "auto"      // a list if the body starts with [, else lines
	formatHeader Format = ""          // the first line is an array of names, the others arrays of values
)

// Options say how the body is read.
type Options struct {
	Format        Format
	MaxBytes      int  // of one document
	IgnoreMissing bool // after a line of names, a line may have fewer or more values than there are names

	// Hold is called with the number of bytes that were read, before they are kept. Its error
	// ends the import. It may be nil.
	Hold func(bytes int) error
}

// Item is one document of the body, or the error in its place.
type Item struct {
	Position int             // line number, or place in the array, from 1
	Document json.RawMessage // valid JSON, not necessarily an object
	Text     string          // its beginning as it was sent, for messages
	Empty    bool            // an empty line
	Err      error
}

// Reader reads items.
type Reader struct {
	o        Options
	in       *bufio.Reader
	guard    *guard
	array    *json.Decoder
	names    []json.RawMessage
	position int
}

// NewReader starts reading. It fails if the format is unknown, or the body does not begin as the
// format says.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	g := &guard{r: r, hold: o.Hold}
	b := &Reader{o: o, in: bufio.NewReaderSize(g, 64<<10), guard: g}
	switch o.Format {
	case formatLines:
		g.free = true
		return b, nil
	case formatList, formatArray:
		return b, b.openArray()
	case formatAuto:
		first, err := b.firstByte()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if first == '[' {
			return b, b.openArray()
		}
		g.free = true
		return b, nil
	case formatHeader:
		g.free = true
		return b, b.readNames()
	}
	return nil, apierror.New(apierror.BadParameter, "import type %q is unknown: want documents, list, array, auto, or none", o.Format)
}

// firstByte returns the first byte that is not space, without consuming it.
func (b *Reader) firstByte() (byte, error) {
	b.guard.free = true
	defer func() { b.guard.free = false }()
	for {
		c, err := b.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, b.in.UnreadByte()
		}
	}
}

func (b *Reader) openArray() error {
	b.guard.allow(b.o.MaxBytes)
	b.array = json.NewDecoder(b.in)
	t, err := b.array.Token()
	if bodyFails(err) {
		return err
	}
	if err != nil || t != json.Delim('[') {
		return apierror.New(apierror.BadParameter, "expecting a JSON array in the request")
	}
	return nil
}

func (b *Reader) readNames() error {
	line, err := b.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var names []string
	if json.Unmarshal(line, &names) != nil || names == nil {
		return apierror.New(apierror.BadParameter, "no JSON array of attribute names found in the first line")
	}
	for _, name := range names {
		raw, err := json.Marshal(name)
		if err != nil {
			return fmt.Errorf("encode attribute name: %w", err)
		}
		b.names = append(b.names, raw)
	}
	return nil
}

// Next returns the next item, io.EOF after the last. Any other error ends the import.
func (b *Reader) Next() (Item, error) {
	if b.array != nil {
		return b.nextElement()
	}
	line, err := b.line()
	if err != nil {
		return Item{}, err
	}
	item := Item{Position: b.position, Text: beginning(line)}
	switch {
	case len(line) == 0:
		item.Empty = true
	case !utf8.Valid(line) || !json.Valid(line):
		item.Err = apierror.New(apierror.CorruptedJSON, "invalid JSON")
	case b.names != nil:
		item.Document, item.Err = b.row(line)
	default:
		item.Document = bytes.Clone(line)
	}
	return item, nil
}

func (b *Reader) nextElement() (Item, error) {
	b.guard.allow(b.o.MaxBytes)
	if !b.array.More() {
		if _, err := b.array.Token(); err != nil {
			return Item{}, b.brokenArray(err)
		}
		if _, err := b.array.Token(); !errors.Is(err, io.EOF) {
			return Item{}, b.brokenArray(errors.New("something follows the array"))
		}
		return Item{}, io.EOF
	}
	b.position++
	item := Item{Position: b.position}
	if err := b.array.Decode(&item.Document); err != nil {
		b.position-- // this element does not exist
		return Item{}, b.brokenArray(err)
	}
	item.Text = beginning(item.Document)
	if !utf8.Valid(item.Document) {
		item.Document, item.Err = nil, apierror.New(apierror.CorruptedJSON, "JSON is not valid UTF-8")
	}
	return item, nil
}

// maxText bounds the part of a document in a message, in bytes.
const maxText = 200

func beginning(raw []byte) string {
	if len(raw) > maxText {
		return strings.ToValidUTF8(string(raw[:maxText]), "\uFFFD") + "…"
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

func (b *Reader) brokenArray(err error) error {
	if bodyFails(err) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the array has not ended
	}
	return apierror.New(apierror.CorruptedJSON, "invalid JSON array, after position %d: %w", b.position, err)
}

// row makes an object of a line of values.
func (b *Reader) row(line []byte) (json.RawMessage, error) {
	var values []json.RawMessage
	if json.Unmarshal(line, &values) != nil || values == nil {
		return nil, apierror.New(apierror.BadParameter, "the line is not a JSON array of values")
	}
	if len(values) != len(b.names) && !b.o.IgnoreMissing {
		return nil, apierror.New(apierror.BadParameter, "%d values for %d attribute names", len(values), len(b.names))
	}
	var doc bytes.Buffer
	doc.WriteByte('{')
	for i := range min(len(values), len(b.names)) {
		if i > 0 {
			doc.WriteByte(',')
		}
		doc.Write(b.names[i])
		doc.WriteByte(':')
		doc.Write(values[i])
	}
	doc.WriteByte('}')
	return doc.Bytes(), nil
}

// line returns the next line without its end and surrounding space. It is valid until the next
// call.
func (b *Reader) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := b.in.ReadSlice('\n')
		if len(whole)+len(part) > b.o.MaxBytes+2 {
			return nil, apierror.New(apierror.EntityTooLarge, "at position %d: %w", b.position+1, tooLarge(b.o.MaxBytes))
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			whole = append(whole, part...)
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, unreadable(err)
		}
		if len(whole) > 0 {
			part = append(whole, part...)
		}
		if err != nil && len(part) == 0 {
			return nil, io.EOF
		}
		b.position++
		return bytes.TrimSpace(part), nil
	}
}

// guard bounds how far a JSON decoder may read for one element.
type guard struct {
	r     io.Reader
	left  int
	limit int
	free  bool // no bound: that of lines is checked in line
	hold  func(int) error
}

// allow permits another document of at most n bytes.
func (g *guard) allow(n int) { g.left, g.limit = n, n }

func (g *guard) Read(p []byte) (int, error) {
	if !g.free && g.left <= 0 {
		return 0, tooLarge(g.limit)
	}
	if !g.free {
		p = p[:min(len(p), g.left)]
	}
	n, err := g.r.Read(p)
	g.left -= n
	if g.hold != nil {
		if herr := g.hold(n); herr != nil {
			return 0, herr
		}
	}
	return n, err
}

func tooLarge(limit int) error {
	return apierror.New(apierror.EntityTooLarge, "a document of the import is larger than %d bytes", limit)
}

// bodyFails says that the body as a whole is at fault: too large, or too slow.
func bodyFails(err error) bool {
	return errors.Is(err, apierror.EntityTooLarge) || errors.Is(err, apierror.ResourceLimit) || errors.Is(err, apierror.RequestTimeout)
}

// unreadable returns the error of a body that cannot be read to its end.
func unreadable(err error) error {
	if bodyFails(err) {
		return err
	}
	return apierror.New(apierror.BadRequest, "reading the request body: %w", err)
}
