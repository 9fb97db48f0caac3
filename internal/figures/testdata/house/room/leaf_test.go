package room

import (
	"testing"
	"time"
)

func TestLeaf(t *testing.T) { time.Sleep(1) }

func ExampleLeaf() {}
