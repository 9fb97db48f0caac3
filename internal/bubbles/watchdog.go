package bubbles

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// patience is how long a bubble may take on the real clock. Those of today end within a
// minute and a half on a loaded machine.
const patience = 8 * time.Minute

// watch ends the process with what the goroutines of the bubble do, unless its result is
// called within patience. A goroutine that waits for a mutex, or runs for ever, stops virtual
// time, and then no limit of the bubble's own clock ends anything.
func watch() (done func()) {
	timer := time.AfterFunc(patience, func() {
		stacks := allStacks()
		fmt.Fprintf(os.Stderr, "a bubble has not ended within %v. Virtual time stands still while these goroutines of it run, or wait for what is no channel:\n\n%s\n\nAll goroutines:\n\n%s\n",
			patience, strings.Join(wakeful(stacks), "\n\n"), stacks)
		panic("a bubble has not ended") // a program's end is decided in cmd; a goroutine of its own cannot be recovered
	})
	return func() { timer.Stop() }
}

// allStacks are the stacks of all goroutines.
func allStacks() []byte {
	for size := 1 << 20; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return buffer[:n]
		}
	}
}

// wakeful are the stacks of goroutines in bubbles that are not durably blocked.
func wakeful(stacks []byte) []string {
	var all []string
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		head, _, _ := bytes.Cut(stack, []byte("\n"))
		if bytes.Contains(head, []byte("synctest bubble")) && !bytes.Contains(head, []byte("(durable)")) {
			all = append(all, string(stack))
		}
	}
	return all
}
