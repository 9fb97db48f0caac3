package director

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
)

// What a run waits for is told by line, and no more once it was done.
func TestWaitsAreTold(t *testing.T) {
	w := &waits{all: map[*step]bool{}}
	a := &step{Step: scenario.Step{Line: 2, When: scenario.When{Text: "at 19m"}}}
	b := &step{Step: scenario.Step{Line: 3, When: scenario.When{Text: "after a"}}}
	w.set(a, true)
	w.set(b, true)
	require.Equal(t, "line 2: at 19m; line 3: after a", w.String())
	w.set(b, false)
	require.Equal(t, "line 2: at 19m", strings.TrimSpace(w.String()))
}
