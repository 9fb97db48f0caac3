package restore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionRule(t *testing.T) {
	for _, c := range []struct {
		backup, cluster string
		good            bool
	}{
		{"3.12.5", "3.12.5", true}, {"3.12.9", "3.12.1", true}, {"3.11.0", "3.12.0", true},
		{"3.13.0", "3.12.5", false}, {"2.12.5", "3.12.5", false}, {"4.0.0", "3.12.5", false},
		{"3.9.1", "3.12.5", true}, {"3.12", "3.12.5", true}, {"3", "3.12.5", false}, {"", "3.12.5", false}, {"x.y.z", "3.12.5", false},
	} {
		err := checkVersion(c.backup, c.cluster)
		require.Equal(t, c.good, err == nil, fmt.Sprint(c, err))
	}
}
