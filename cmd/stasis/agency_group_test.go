package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/internal/apierror"
)

// An agent that refuses a question unread, since it does not know the name by which it is
// asked, is not passed off as one that is silent: what it says is told.
func TestRefusalOfAnAgentIsTold(t *testing.T) {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		apierror.Write(w, apierror.New(apierror.Forbidden, "add it with --http.hosts"))
	}))
	defer agent.Close()
	text := diagnose(t.Context(), agencyclient.New(agencyclient.Options{Endpoints: []string{agent.URL}}), []string{agent.URL})
	require.Contains(t, text, "no agent answers")
	require.Contains(t, text, "add it with --http.hosts")
}
