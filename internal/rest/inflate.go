package rest

import (
	"compress/gzip"
	"compress/zlib"
	"io"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// A compressed body may grow to maxRatio times its size, beyond freeBytes that every body
// may have. Documents shrink to a tenth, seldom to a fiftieth. What shrinks to a thousandth
// carries no data and is meant to fill the memory.
const (
	maxRatio  = 100
	freeBytes = 8 << 20
)

// inflaterBytes is the memory of a decompressor.
const inflaterBytes = 48 << 10

// inflate returns the plain bytes of a body in an encoding, gzip or deflate.
func inflate(body io.Reader, encoding string) (io.Reader, error) {
	packed := &counted{r: body}
	var plain io.Reader
	var err error
	if encoding == "gzip" {
		plain, err = gzip.NewReader(packed)
	} else {
		plain, err = zlib.NewReader(packed)
	}
	if err != nil {
		return nil, apierror.New(apierror.BadRequest, "%s body: %w", encoding, err)
	}
	return &inflated{packed: packed, plain: plain}, nil
}

// counted counts the bytes that are read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// inflated ends with 413 when it has grown too large for its compressed size.
type inflated struct {
	packed *counted
	plain  io.Reader
	n      int64
}

func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.plain.Read(p)
	if i.n += int64(n); i.n > freeBytes+maxRatio*i.packed.n && !failpoint.Off("compression-ratio") {
		return 0, apierror.New(apierror.EntityTooLarge,
			"the compressed body grows to more than %d times its size: send it without compression", maxRatio)
	}
	return n, err
}
