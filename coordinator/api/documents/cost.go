package documents

// The memory that the documents of a request take on their way to the shards and back, beside
// the text that the client sent. The attacks of integration/memory_test.go show that it is
// enough.
const (
	costOfDocument = 1 << 10 // each: its operation, its result and its entry in the answer
	costOfByte     = 5       // of text: the copies of it on the way
)

// costOf is the memory in bytes for so many documents of so many bytes together.
func costOf(documents int64, bytes int) int64 {
	return costOfDocument*documents + costOfByte*int64(bytes)
}
