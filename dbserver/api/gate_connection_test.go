package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The body of a request for the gate is not read to its end, so no other request may follow it on its connection: net/http
// would begin to read twice, and panic.
func TestConnectionOfAGateIsNotUsedAgain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(gates{}.lock))
	defer server.Close()
	answer, err := server.Client().Post(server.URL, "application/json", strings.NewReader("no claim\n"))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.True(t, answer.Close, "%s", answer.Status)
}
