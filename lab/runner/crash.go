package runner

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"stasis/lab/verdict"
)

// Marks in the output of programs in Go.
const (
	markRace = "WARNING: DATA RACE"
	markQuit = "SIGQUIT: quit"
)

// markCrash begins the line with which a program ends that crashes.
var markCrash = regexp.MustCompile(`(?m)^(panic: |fatal error: ).*$`)

// frame is a function of this module in a stack.
var frame = regexp.MustCompile(`(?m)^(stasis/\S+)\(.*\n\t(\S+:\d+)`)

// withRaces makes races that the race detector reported violations.
func withRaces(v verdict.Verdict, output []byte) verdict.Verdict {
	if n := bytes.Count(output, []byte(markRace)); n > 0 {
		v.Violate(verdict.Violation{Check: "no data race", Text: fmt.Sprintf("the race detector reported %d; the first at %s", n, firstFrame(output))})
	}
	return v
}

// crashed is the verdict of a run whose process has ended without one. A crash in the servers' code breaks a
// promise; one in the lab means that there was no run.
func crashed(v verdict.Verdict, output []byte, err error) verdict.Verdict {
	line := markCrash.FindIndex(output)
	if line == nil {
		v.Reason = fmt.Sprintf("the process of the run has ended without a verdict: %v%s", err, tail(output))
		return v
	}
	text, at := string(output[line[0]:line[1]]), firstFrame(output[line[0]:])
	if strings.HasPrefix(at, "stasis/lab/") || at == unknownPlace {
		v.Reason = fmt.Sprintf("%s, at %s", text, at)
		return withRaces(v, output)
	}
	v.Outcome = "" // the run was made until then
	v.Violate(verdict.Violation{Check: "no crash", Text: fmt.Sprintf("%s, at %s", text, at)})
	return withRaces(v, output)
}

const unknownPlace = "a place that the output does not name"

func firstFrame(stack []byte) string {
	if m := frame.FindSubmatch(stack); m != nil {
		return fmt.Sprintf("%s (%s)", m[1], m[2])
	}
	return unknownPlace
}

// tail is the end of an output, for a message.
func tail(output []byte) string {
	text := strings.TrimSpace(string(output))
	if text == "" {
		return ""
	}
	const most = 500
	return "; it said: " + text[max(0, len(text)-most):]
}

// goroutinesOf is the part of an output that SIGQUIT has added.
func goroutinesOf(output []byte) []byte {
	if i := bytes.Index(output, []byte(markQuit)); i >= 0 {
		return output[i:]
	}
	return output
}

// placeOf says where a run hung. In a bubble time stands still while a goroutine waits for something outside, or for a
// mutex: that is a goroutine of the bubble that does not wait durably.
func placeOf(output []byte) string {
	for _, g := range strings.Split(string(goroutinesOf(output)), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if !strings.Contains(head, "synctest bubble") || strings.Contains(head, "durable") || strings.Contains(head, "synctest.Run") {
			continue
		}
		if at := firstFrame([]byte(g)); at != unknownPlace {
			if strings.Contains(head, "[runn") { // running or runnable
				return fmt.Sprintf("it was at work at %s: it is slow, or goes round in circles", at)
			}
			return fmt.Sprintf("time stands still at %s, %s", at, strings.TrimSuffix(head, ":"))
		}
	}
	return "no goroutine of a bubble stands out"
}
