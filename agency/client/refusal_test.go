package client

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an agent says when it refuses is repeated in full: its end says what to do.
func TestRefusalIsNotCutOff(t *testing.T) {
	long := strings.Repeat("the tree would be too large, ", 20) + "delete what is not needed"
	for _, attribute := range []string{"errorMessage", "message"} {
		raw, err := json.Marshal(map[string]any{"code": 413, attribute: long})
		require.NoError(t, err)
		require.Equal(t, "HTTP 413: "+long, answer{status: 413, body: raw}.text())
	}
	other := answer{status: 404, body: []byte(strings.Repeat("x", 1000))}.text()
	require.Equal(t, "HTTP 404 "+strings.Repeat("x", maxErrorBytes)+"…", other, "what is no message of an agent")
}
