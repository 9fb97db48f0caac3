package rest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Pieces hold what was put into them, in order, whatever its size.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Pieces
		var wanted []byte
		for i, size := range rapid.SliceOf(rapid.SampledFrom([]int{0, 1, 3, PieceBytes - 1, PieceBytes, PieceBytes + 1, 3 * PieceBytes})).Draw(t, "sizes") {
			part := bytes.Repeat([]byte{byte(i)}, size)
			wanted = append(wanted, part...)
			if rapid.Bool().Draw(t, "add") {
				p.Add(part)
				continue
			}
			n, err := p.Write(part)
			require.NoError(t, err)
			require.Equal(t, size, n)
			clear(part) // it was copied
		}
		require.Equal(t, len(wanted), p.Len())
		require.True(t, bytes.Equal(wanted, bytes.Join(p.all, nil)))
	})
}
