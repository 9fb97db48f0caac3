package store_test

import (
	"testing"

	"house/store"
)

func TestOutside(t *testing.T) { store.Open() }
