package network

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// A request that there is no memory for is answered by the one who has to take note of it, and is not handled.
func TestRefusedRequestIsTold(t *testing.T) {
	b := budget.New(1 << 20)
	var told []string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := ServeListener(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is handled") }), ServerOptions{
		Limits: Limits{Budget: b},
		Refuse: func(w http.ResponseWriter, r *http.Request, why error) {
			told = append(told, r.Header.Get("X-Name"))
			apierror.Write(w, why)
		},
	})
	defer func() { require.NoError(t, s.Shutdown(t.Context())) }()
	var all []*budget.Account
	for a := b.Open(budget.Client); a.Begin(0) == nil; a = b.Open(budget.Client) {
		all = append(all, a)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Header.Set("X-Name", "it")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, []string{"it"}, told)
	for _, a := range all {
		a.Close()
	}
}
