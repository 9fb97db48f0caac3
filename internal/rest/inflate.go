package rest

import (
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
)

// A compressed body may become maxRatio times as long as it is, beyond freeBytes that
// every one may. Text of documents shrinks to a tenth, seldom to a fiftieth; what shrinks
// to a thousandth says nothing.
const (
	maxRatio  = 100
	freeBytes = 8 << 20
)

// inflaterBytes is what a decompressor holds.
const inflaterBytes = 48 << 10

// Stream is the request's body, decompressed, not bounded as a whole.
func (c *Call) Stream() (io.Reader, error) {
	enc := strings.ToLower(c.R.Header.Get("Content-Encoding"))
	switch enc {
	case "", "identity":
		return c.R.Body, nil
	case "gzip", "deflate":
	default:
		return nil, apierror.New(apierror.BadRequest, "content encoding %q is not supported: want gzip, deflate or none", enc).WithStatus(http.StatusUnsupportedMediaType)
	}
	if err := c.Account().Take(inflaterBytes); err != nil {
		return nil, err
	}
	packed := &counted{r: c.R.Body}
	var plain io.Reader
	var err error
	if enc == "gzip" {
		plain, err = gzip.NewReader(packed)
	} else {
		plain, err = zlib.NewReader(packed)
	}
	if err != nil {
		return nil, apierror.New(apierror.BadRequest, "%s body: %w", enc, err)
	}
	return &inflated{packed: packed, plain: plain}, nil
}

// Account is what the request holds of the process's memory.
func (c *Call) Account() *budget.Account { return budget.Of(c.R.Context()) }

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// inflated ends with 413 when it has become too much for what it came from.
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
