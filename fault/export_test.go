package fault

// Sizes that tests count with.
const (
	BufferBytes  = bufferBytes
	SegmentBytes = segmentBytes
)
