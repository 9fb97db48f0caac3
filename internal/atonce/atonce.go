// Package atonce is for tests: it says how many of them run at once.
package atonce

import (
	"flag"
	"strconv"
)

// clusters is how many tests of whole servers, or of processes, run at once: they mostly wait, for elections, leases and deadlines, so
// there may be more of them than processors. Tests in bubbles need a processor each: they do not run in parallel, and come before.
const clusters = 4

// Clusters lets tests of clusters that call t.Parallel run at once, so many as packages of such tests bear, unless the command line
// says how many. TestMain calls it, before anything reads flags.
func Clusters() {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == name })
	if asked {
		return
	}
	if err := flag.Set(name, strconv.Itoa(clusters)); err != nil {
		panic("set -" + name + ": " + err.Error()) // this is no test's binary
	}
}

const name = "test.parallel"
