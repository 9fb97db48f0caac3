package status

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// A follower of a bounded list gets every new element once. If the last one that it got was
// dropped, it gets all.
func TestNewEvents(t *testing.T) {
	e := func(details ...string) (all []client.Decision) {
		for _, d := range details {
			all = append(all, client.Decision{Detail: d})
		}
		return all
	}
	for _, test := range []struct{ old, now, want []client.Decision }{
		{nil, nil, nil},
		{nil, e("a"), e("a")},
		{e("a"), e("a"), nil},
		{e("a", "b"), e("a", "b", "c"), e("c")},
		{e("a", "b"), e("b", "c", "d"), e("c", "d")},
		{e("a", "b"), e("c", "d"), e("c", "d")},
		{e("a"), nil, nil},
	} {
		require.Equal(t, len(test.want), len(after(test.old, test.now)))
		require.True(t, slices.Equal(test.want, after(test.old, test.now)), "%v %v", test.old, test.now)
	}
}

// jobs are in the order of their numbers, children after their parent.
func TestOrderOfJobs(t *testing.T) {
	jobs := []client.Job{{ID: "10"}, {ID: "9-10"}, {ID: "9"}, {ID: "9-2"}, {ID: "x"}}
	slices.SortFunc(jobs, byID)
	require.Equal(t, []client.Job{{ID: "x"}, {ID: "9"}, {ID: "9-2"}, {ID: "9-10"}, {ID: "10"}}, jobs)
}
