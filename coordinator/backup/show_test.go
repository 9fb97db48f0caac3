package backup

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// Show has what the pieces say and the certificate, without reading data. A server that does not
// answer is named, and so is a certificate that does not fit.
func TestShowHasTheCertificate(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		made, b := w.create("x"), w.service(coordinatorB)
		shown, err := b.show(context.Background(), made.ID)
		require.NoError(t, err)
		require.Empty(t, shown.Problems)
		require.Empty(t, shown.Unreachable)
		require.Equal(t, made.ID, shown.Backup.ID)
		require.True(t, shown.Backup.Available)
		require.Equal(t, made.LockReport, shown.Certificate.History.Lock)
		_, err = b.show(context.Background(), "none")
		require.ErrorIs(t, err, apierror.NotFound)

		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
		shown, err = b.show(context.Background(), made.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"PRMR-2"}, shown.Unreachable)
		require.Equal(t, []string{"the piece of PRMR-2 is missing"}, shown.Problems)
		require.NotNil(t, shown.Certificate, "the others have it")
		_, err = b.show(context.Background(), "none")
		require.ErrorIs(t, err, apierror.ServiceUnavailable, "PRMR-2 may have a piece")
		require.ErrorContains(t, err, "unknown whether there is a backup none")
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = false })

		w.servers["PRMR-3"].pieces[made.ID].cert = nil
		shown, err = b.show(context.Background(), made.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"the piece of PRMR-3 has no certificate"}, shown.Problems)
	})
}

// The commands of show and of the agency lock over HTTP, as scripts use them.
func TestShowAndLockOverHTTP(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id, h := w.create("x").ID, w.service(coordinatorA).Handler()
		for _, c := range []struct {
			command, body string
			status        int
			says          string
		}{
			{"show", `{"id":"` + id + `"}`, 200, `"attempts":[{"window":0.5`},
			{"show", `{"id":"none"}`, 404, `"errorNum":404`},
			{"show", ``, 400, `"errorNum":10`},
			{"agency-lock", ``, 200, `"lock":null`},
			{"agency-lock", `{}`, 200, `"lock":null`},
			{"agency-lock", `{"break":{"nonce":"n"}}`, 400, `"errorNum":10`},
			{"agency-lock", `{"break":"n"}`, 400, `"errorNum":10`},
			{"agency-lock", `{"break":{"value":"v","nonce":"n"}}`, 400, `"errorNum":7011`},
		} {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/_admin/backup/"+c.command, strings.NewReader(c.body)))
			require.Equal(t, c.status, answer.Code, "%s %s: %s", c.command, c.body, answer.Body)
			require.Contains(t, answer.Body.String(), c.says, "%s %s", c.command, c.body)
		}
	})
}
