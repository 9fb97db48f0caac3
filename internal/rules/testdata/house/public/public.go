// Package public is for other modules: its exports need no use here.
package public

import (
	"io"

	"house/store"
)

// Small is for others.
func Small(s *store.Store, _ io.Closer) int {
	s.Get()
	return store.Small
}
