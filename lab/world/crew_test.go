package world

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What goroutines of a world have started is found, and what others have is not.
func TestGoroutinesOfAWorld(t *testing.T) {
	one, other := newCrew(), newCrew()
	end, ended := make(chan struct{}), make(chan struct{})
	require.NoError(t, one.run(func() error {
		go func() {
			go func() {
				<-end
				close(ended)
			}()
		}()
		return nil
	}))
	require.Eventually(t, func() bool {
		left, err := one.left()
		return err == nil && left != ""
	}, goneLimit, interval)
	require.NoError(t, other.gone())
	close(end)
	<-ended
	require.NoError(t, one.gone())
}
