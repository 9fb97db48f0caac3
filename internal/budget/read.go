package budget

import (
	"io"

	"stasis/internal/apierror"
)

// A body is read in pieces. The first is small, because only the sender's promise is known of
// the body. Pieces of one size can be used again by the next request, whereas a buffer that
// doubles leaves ever larger ones behind.
const (
	firstRead = 4 << 10
	mostRead  = 256 << 10
	trusted   = 4 // after this part of the promised bytes has come, there is memory for the rest
)

// ReadAll reads r to its end, at most limit bytes, and takes the memory from a as the bytes
// come. The bytes that it returns stay taken. length is what the sender states; -1 if it
// states none. ReadAll returns [apierror.EntityTooLarge] if there is more.
func ReadAll(a *Account, r io.Reader, limit, length int64) ([]byte, error) {
	if length > limit {
		return nil, tooLong(limit)
	}
	if err := a.fits(length); err != nil {
		return nil, err
	}
	b := body{account: a, from: r, limit: limit}
	for size := int64(firstRead); !b.ended; size = min(2*size, mostRead) {
		if length > 0 && b.n >= length/trusted && b.n <= length {
			if err := b.join(length + 1); err != nil { // one more, where the end shows
				return nil, err
			}
			size = 1 // if there is more after all
		} else if err := b.begin(size); err != nil {
			return nil, err
		}
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
	if len(b.pieces) > 1 {
		if err := b.join(b.n); err != nil {
			return nil, err
		}
	}
	return b.pieces[0], nil
}

// body is one that is being read.
type body struct {
	account *Account
	from    io.Reader
	limit   int64
	pieces  [][]byte // only the last has room
	n       int64
	ended   bool
}

// begin begins another piece.
func (b *body) begin(size int64) error {
	if err := b.account.Take(size); err != nil {
		return err
	}
	b.pieces = append(b.pieces, make([]byte, 0, size))
	return nil
}

// fill reads until the last piece is full, or to the end.
func (b *body) fill() error {
	last := &b.pieces[len(b.pieces)-1]
	for len(*last) < cap(*last) && !b.ended {
		n, err := b.from.Read((*last)[len(*last):cap(*last)])
		*last = (*last)[:len(*last)+n]
		b.n += int64(n)
		switch {
		case b.n > b.limit:
			return tooLong(b.limit)
		case err == io.EOF: //nolint:errorlint // the very value, by the rules of io.Reader
			b.ended = true
		case err != nil:
			return err
		}
	}
	return nil
}

// join makes one of the pieces, with room for size bytes in all.
func (b *body) join(size int64) error {
	if size = max(size, b.n); len(b.pieces) == 1 && int64(cap(b.pieces[0])) >= size {
		return nil
	}
	if err := b.account.Take(size); err != nil {
		return err
	}
	whole := make([]byte, 0, size)
	for _, p := range b.pieces {
		whole = append(whole, p...)
		b.account.Give(int64(cap(p)))
	}
	b.pieces = [][]byte{whole}
	return nil
}

func tooLong(limit int64) error {
	return apierror.New(apierror.EntityTooLarge, "the request body is larger than %d bytes: send less at a time, or start the server with a larger --http.max-body", limit)
}
