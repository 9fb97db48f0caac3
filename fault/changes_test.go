package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What becomes of each change is drawn apart from the others at its path, also when earlier ones are durable by now.
func TestChangesAtOnePathHaveNumbersOfTheirOwn(t *testing.T) {
	var l changes
	folder, file := newFolder(), &inode{}
	for range 3 {
		l.do("p", entry{folder, "p", file}, file)
	}
	l.apply(l.list[0])
	l.list = l.list[1:]
	l.do("p", entry{folder, "p", nil}, file)
	var numbers []int
	for _, c := range l.list {
		numbers = append(numbers, c.nth)
	}
	require.Equal(t, []int{2, 3, 4}, numbers)
	for len(l.list) > 0 {
		l.apply(l.list[0])
		l.list = l.list[1:]
	}
	require.Empty(t, l.count, "what is durable is not remembered")
}
