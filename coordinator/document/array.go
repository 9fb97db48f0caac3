package document

import (
	"encoding/json"
	"iter"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Items yields the elements of a JSON array, in order and without copying them. The array must be
// valid JSON without space around it.
func Items(array json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for i := skipSpace(array, 1); i < len(array) && array[i] != ']'; {
			end := valueEnd(array, i)
			if !yield(array[i:end:end]) {
				return
			}
			if i = skipSpace(array, end); i < len(array) && array[i] == ',' {
				i = skipSpace(array, i+1)
			}
		}
	}
}

// CountItems returns how many elements the array has.
func CountItems(array json.RawMessage) (n int) {
	for range Items(array) {
		n++
	}
	return n
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the index after the value that begins at i.
func valueEnd(text []byte, i int) int {
	depth, quoted := 0, false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']' || c == ',') && depth == 0:
			return i
		case c == '}' || c == ']':
			depth--
		case depth == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			return i
		}
	}
	return i
}

// The answer to an array has an entry for each item, whether it fails or not. An entry has at
// most entryBytes and the collection's name. Documents that the client wants to get are counted
// when they arrive.
const (
	entryBytes   = 256
	answerFloor  = 8 << 20 // an answer may always be so large
	answerFactor = 32      // larger ones are in proportion to the request
)

// CheckAnswer returns 413 if the answer to an array of so many items could be larger than most
// bytes, or out of proportion to the array.
func CheckAnswer(items, arrayBytes int, collection string, most int64) error {
	may := int64(items) * int64(entryBytes+len(collection))
	limit := min(max(answerFloor, answerFactor*int64(arrayBytes)), most)
	if may <= limit || failpoint.Off("answer-in-proportion") {
		return nil
	}
	return apierror.New(apierror.EntityTooLarge, "nothing was done: the array has %d items in %d bytes, so the answer may take %d bytes, and %d are allowed: send smaller arrays, or import the documents",
		items, arrayBytes, may, limit)
}
