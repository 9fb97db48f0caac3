package fsm

import (
	"bytes"
	"encoding/json"
	"strings"
)

// longText is from which length on a text is searched for what JSON escapes, instead of looked at byte by
// byte. A search takes many bytes at a time, and each byte that is searched for costs something to begin with.
const longText = 512

// searched is how much of a text is searched at once: it stays in the processor's first cache.
const searched = 16 << 10

// escaped are the bytes that do not stand for themselves in a JSON string: two, and the control characters.
var escaped = func() [' ' + 2]byte {
	all := [' ' + 2]byte{'"', '\\'}
	for c := range byte(' ') {
		all[c+2] = c
	}
	return all
}()

// plainLength is how much at the beginning of s certainly needs no escape. The caller looks at what follows.
func plainLength(s string) (n int) {
	for len(s)-n >= longText {
		part := s[n:min(len(s), n+searched)]
		whole := len(part)
		for _, c := range escaped {
			if i := strings.IndexByte(part, c); i >= 0 {
				part = part[:i]
			}
		}
		if n += len(part); len(part) < whole {
			break
		}
	}
	return n
}

// valid is json.Valid, which looks at each byte. Of a large text it is asked without the contents of long
// strings in which there is nothing to check: what is left is valid if and only if the text is.
func valid(raw []byte) bool {
	var left []byte
	copied := 0
	for at := 0; len(raw)-at >= longText; {
		begin := bytes.IndexByte(raw[at:], '"')
		if begin < 0 {
			break
		}
		begin += at + 1 // a string, if all before it is valid
		end := bytes.IndexByte(raw[begin:], '"')
		if end < 0 {
			break
		}
		end += begin
		if bytes.IndexByte(raw[begin:end], '\\') >= 0 {
			if at = afterText(raw, begin); at < 0 {
				break
			}
			continue
		}
		if end-begin >= longText && !hasControl(raw[begin:end]) {
			left = append(left, raw[copied:begin]...)
			copied = end
		}
		at = end + 1
	}
	if copied == 0 {
		return json.Valid(raw)
	}
	return json.Valid(append(left, raw[copied:]...))
}

// afterText is where a string ends that begins at from and has escapes, -1 if it does not end.
func afterText(raw []byte, from int) int {
	for at := from; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			return at + 1
		case '\\':
			at++
		}
	}
	return -1
}

// hasControl says whether a text has a byte that JSON forbids in a string.
func hasControl(text []byte) bool {
	for len(text) > 0 {
		part := text[:min(len(text), searched)]
		text = text[len(part):]
		for _, c := range escaped[2:] {
			if bytes.IndexByte(part, c) >= 0 {
				return true
			}
		}
	}
	return false
}
