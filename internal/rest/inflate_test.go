package rest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/budget"
)

func compressed(t *testing.T, encoding, plain string) []byte {
	t.Helper()
	var packed bytes.Buffer
	var to io.WriteCloser = zlib.NewWriter(&packed)
	if encoding == "gzip" {
		to = gzip.NewWriter(&packed)
	}
	_, err := io.WriteString(to, plain)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return packed.Bytes()
}

// A compressed body is taken as any other; one that grows beyond all measure is not, nor
// one that becomes more than the limit.
func TestCompressedBodies(t *testing.T) {
	for _, encoding := range []string{"gzip", "deflate"} {
		body := func(plain string, limit int64) ([]byte, *budget.Account, error) {
			r := httptest.NewRequest("POST", "/x", bytes.NewReader(compressed(t, encoding, plain)))
			r.Header.Set("Content-Encoding", encoding)
			account := budget.New(1 << 30).Open(budget.Client)
			r = r.WithContext(budget.With(r.Context(), account))
			raw, err := (&Call{R: r, bodyBytes: limit}).body()
			return raw, account, err
		}
		same := strings.Repeat(`{"a":1},`, freeBytes/8)
		raw, account, err := body(same, 1<<30)
		require.NoError(t, err, "documents that are all the same may be sent")
		require.Len(t, raw, len(same))
		require.GreaterOrEqual(t, account.Held(), int64(len(raw)))
		_, _, err = body(same, int64(len(same))-1)
		require.ErrorIs(t, err, apierror.EntityTooLarge)
		_, account, err = body(strings.Repeat("0", 12<<20), 1<<30)
		require.ErrorIs(t, err, apierror.EntityTooLarge, "a bomb is decompressed")
		require.Less(t, account.Held(), int64(3*20<<20), "it was held as far as it was read")
	}
}

// What a server has no room for is refused before it is decoded.
func TestBodiesAreHeld(t *testing.T) {
	ask := func(text string) error {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(text))
		r = r.WithContext(budget.With(r.Context(), budget.New(10<<20).Open(budget.Client)))
		return (&Call{R: r, bodyBytes: 1 << 30}).Object(&struct{}{})
	}
	require.NoError(t, ask(`{"a":1}`))
	require.ErrorIs(t, ask(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`), apierror.EntityTooLarge)
	require.ErrorIs(t, ask(`{"a":"`+strings.Repeat("x", 7<<20)+`"}`), apierror.EntityTooLarge)
}
