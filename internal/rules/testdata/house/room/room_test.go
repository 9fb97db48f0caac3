package room

import (
	"testing"
	"time"

	"house/bubbles"
)

// inBubble gives test to what starts a bubble.
func inBubble(t *testing.T, test func(n int)) {
	bubbles.Test(t, func(*testing.T) { test(1) })
}

func inBubbleTwice(t *testing.T, test func(n int)) {
	for range 2 {
		inBubble(t, test)
	}
}

func wait() { time.Sleep(1) } // found

func later() { time.Sleep(1) } // only in bubbles

type house struct{}

func (*house) settle() { time.Sleep(1) } // found

func TestVirtual(t *testing.T) {
	stored := func() { time.Sleep(1) }
	inBubbleTwice(t, func(int) { time.Sleep(1); later(); stored() })
	inBubble(t, sleepy)
	row := func(name string, test func()) {
		t.Run(name, func(*testing.T) { inBubble(t, func(int) { test() }) })
	}
	row("one", func() { later() })
}

func sleepy(int) { later() }

func TestReal(t *testing.T) {
	wait()
	t.Run("row", func(*testing.T) { time.Sleep(1) }) // found
	(&house{}).settle()
}
