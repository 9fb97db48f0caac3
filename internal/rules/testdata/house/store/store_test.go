package store

import "testing"

func TestInside(t *testing.T) { Shut() }
