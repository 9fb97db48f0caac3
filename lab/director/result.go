package director

import (
	"fmt"
	"sync"
	"time"

	"stasis/lab/verdict"
)

// result collects what a run found.
type result struct {
	mu      sync.Mutex
	broken  error
	found   []verdict.Violation
	backups []verdict.Backup
	vacuous []string
	notes   []string

	judged   int          // of the scenario's own backups
	probes   []*operation // backups of the check that the cluster serves
	left     outlast      // how long something was left
	served   outlast      // how long it took until the cluster served
	restored string       // label of the backup that was restored at the end
}

// outlast is how long something took, and what was wrong at the last look.
type outlast struct {
	took  time.Duration
	still string // "" at the end
}

func (r *result) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = err
	}
}

// failed says whether the run could not be made.
func (r *result) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken != nil
}

func (r *result) violated(check string, line int, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, verdict.Violation{Check: check, Line: line, Text: text})
}

// missed says why the run shows nothing, although nothing is wrong.
func (r *result) missed(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vacuous = append(r.vacuous, fmt.Sprintf(format, args...))
}

func (r *result) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
