package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/apierror"
)

// conditions are all that errors can match, without those about the outcome.
var conditions = map[string]error{
	"invalid": client.ErrInvalid, "not found": client.ErrNotFound, "exists": client.ErrExists, "conflict": client.ErrConflict,
	"forbidden": client.ErrForbidden, "read only": client.ErrReadOnly, "aborted": client.ErrAborted, "too large": client.ErrTooLarge, "lock timeout": client.ErrLockTimeout,
	"no space": client.ErrNoSpace, "unavailable": client.ErrUnavailable, "unsupported": client.ErrUnsupported,
}

// answering is a client of a coordinator that gives one answer.
func answering(t *testing.T, err *apierror.Error) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { apierror.Write(w, err) }))
	t.Cleanup(server.Close)
	return newClient(t, server.URL)
}

func newClient(t *testing.T, endpoint string) *client.Client {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(h.CloseIdleConnections)
	c, err := client.New(endpoint, client.Options{HTTP: h})
	require.NoError(t, err)
	return c
}

// Every error that a coordinator answers matches one condition or none, and has status,
// number and message.
func TestConditionsCrossTheWire(t *testing.T) {
	for _, row := range []struct {
		answer *apierror.Error
		want   string
	}{
		{apierror.New(apierror.BadParameter, "x"), "invalid"},
		{apierror.New(apierror.CorruptedJSON, "x"), "invalid"},
		{apierror.New(apierror.IllegalName, "x"), "invalid"},
		{apierror.New(apierror.BadRemote, "x").WithStatus(400), "invalid"},
		{apierror.New(apierror.NotFound, "x"), "not found"},
		{apierror.New(apierror.DocumentNotFound, "x"), "not found"},
		{apierror.New(apierror.CollectionNotFound, "x"), "not found"},
		{apierror.New(apierror.DatabaseNotFound, "x"), "not found"},
		{apierror.New(apierror.FileNotFound, "x").WithStatus(404), "not found"},
		{apierror.New(apierror.NoSuchBackup, "x").WithStatus(400), "not found"},
		{apierror.New(apierror.DuplicateName, "x"), "exists"},
		{apierror.New(apierror.UniqueConstraint, "x"), "exists"},
		{apierror.New(apierror.Conflict, "x"), "conflict"},
		{apierror.New(apierror.Conflict, "x").WithStatus(412), "conflict"},
		{apierror.New(apierror.PreconditionFailed, "x"), "conflict"},
		{apierror.New(apierror.BackupConflict, "x").WithStatus(400), "conflict"},
		{apierror.New(apierror.Forbidden, "x"), "forbidden"},
		{apierror.New(apierror.Unauthorized, "x"), "forbidden"},
		{apierror.New(apierror.UseSystemDatabase, "x"), "forbidden"},
		{apierror.New(apierror.ReadOnly, "x"), "read only"},
		{apierror.New(apierror.EntityTooLarge, "x"), "too large"},
		{apierror.New(apierror.DocumentTooLarge, "x"), "too large"},
		{apierror.New(apierror.LockTimeout, "x").WithStatus(408), "lock timeout"},
		{apierror.New(apierror.BackupLockFailed, "x").WithStatus(400), "lock timeout"},
		{apierror.New(apierror.ServiceUnavailable, "x"), "unavailable"},
		{apierror.New(apierror.StartingUp, "x"), "unavailable"},
		{apierror.New(apierror.NoLeader, "x"), "unavailable"},
		{apierror.New(apierror.BackupServersMissing, "x").WithStatus(400), "unavailable"},
		{apierror.New(apierror.AgencyFailed, "x").WithStatus(503), "unavailable"},
		{apierror.New(apierror.NotImplemented, "x"), "unsupported"},
		{apierror.New(apierror.Unsupported, "x"), "unsupported"},
		{apierror.New(apierror.Internal, "x"), ""},
		{apierror.New(apierror.BackupCreate, "x"), ""},
		{apierror.New(apierror.NoSpace, "x"), "no space"},
		{apierror.New(apierror.NoSpace, "x").WithStatus(400), "no space"},
		{apierror.New(apierror.BackupRestore, "x").WithStatus(400), ""},
		{apierror.New(apierror.BackupTopology, "x").WithStatus(400), ""},
		{apierror.New(apierror.Internal, "x").WithStatus(400), ""},
	} {
		err := answering(t, row.answer).Do(t.Context(), http.MethodGet, "/", nil, nil)
		for name, condition := range conditions {
			require.Equal(t, name == row.want, errors.Is(err, condition), "%d %d is %s", row.answer.Num, row.answer.Status(), name)
		}
		var e *client.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, client.Error{Status: row.answer.Status(), Number: int(row.answer.Num), Message: "x"},
			client.Error{Status: e.Status, Number: e.Number, Message: e.Message})
		require.EqualError(t, err, "x")
		require.ErrorIs(t, err, row.answer.Num, "the packages of this module know it too")
		require.NotErrorIs(t, err, client.ErrUnknownOutcome, "a question changes nothing")
		raw, jsonErr := json.Marshal(err)
		require.NoError(t, jsonErr)
		var envelope struct {
			ErrorNum int
			Code     int
		}
		require.NoError(t, json.Unmarshal(raw, &envelope))
		require.Equal(t, []int{int(row.answer.Num), row.answer.Status()}, []int{envelope.ErrorNum, envelope.Code})
	}
}

// A change whose outcome is not known is never taken for one that was not made.
func TestUnknownOutcomes(t *testing.T) {
	for n, unknown := range map[apierror.Num]bool{
		apierror.Internal: true, apierror.ConnectionLost: true, apierror.ServiceUnavailable: true, apierror.ClusterTimeout: true,
		apierror.StartingUp: false, apierror.ShuttingDown: false, apierror.NoLeader: false, apierror.NotLeader: false,
		apierror.GateClosed: false, apierror.LockTimeout: false, apierror.Deadlock: false,
		apierror.NotImplemented: false, apierror.Conflict: false, apierror.UniqueConstraint: false, apierror.ReadOnly: false, apierror.EntityTooLarge: false,
	} {
		_, err := answering(t, apierror.New(n, "x")).Database("").Insert(t.Context(), "c", struct{}{})
		require.Equal(t, unknown, errors.Is(err, client.ErrUnknownOutcome), "%d: an unknown outcome counts as a failure, or a failure as unknown", int(n))
		err = answering(t, apierror.New(n, "x")).Database("").Read(t.Context(), client.Ref{Collection: "c", Key: "k"}, nil)
		require.NotErrorIs(t, err, client.ErrUnknownOutcome, int(n))
	}
}

// The commands on backups say themselves what became of their commit.
func TestOutcomesOfBackups(t *testing.T) {
	for outcome, want := range map[string]error{"": nil, apierror.OutcomeUnknown: client.ErrUnknownOutcome, apierror.OutcomeCommitted: client.ErrCommitted} {
		answer := apierror.New(apierror.ServiceUnavailable, "x")
		if outcome != "" {
			answer.Extra = map[string]any{apierror.Outcome: outcome}
		}
		b := answering(t, answer).Backups()
		_, created := b.Create(t.Context(), client.CreateRequest{})
		_, restored := b.Restore(t.Context(), client.RestoreRequest{ID: "x"})
		for _, err := range []error{created, restored} {
			for _, condition := range []error{client.ErrUnknownOutcome, client.ErrCommitted} {
				require.Equal(t, condition == want, errors.Is(err, condition), "%q %v", outcome, condition)
			}
		}
	}
	_, err := answering(t, apierror.New(apierror.ServiceUnavailable, "x")).Backups().Delete(t.Context(), "x")
	require.ErrorIs(t, err, client.ErrUnknownOutcome, "a delete does not say so itself")
	_, err = answering(t, apierror.New(apierror.ServiceUnavailable, "x")).Backups().List(t.Context())
	require.NotErrorIs(t, err, client.ErrUnknownOutcome)
}

// Without an answer it counts whether the request can have reached the coordinator.
func TestWithoutAnAnswer(t *testing.T) {
	write := func(ctx context.Context, c *client.Client) error {
		return c.Do(ctx, http.MethodPost, "/", struct{}{}, &struct{}{})
	}
	read := func(ctx context.Context, c *client.Client) error {
		return c.Do(ctx, http.MethodGet, "/", nil, &struct{}{})
	}
	check := func(err error, unknown bool) {
		t.Helper()
		require.ErrorIs(t, err, client.ErrUnavailable)
		require.Equal(t, unknown, errors.Is(err, client.ErrUnknownOutcome), "%v", err)
		require.False(t, errors.As(err, new(*client.Error)))
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nothing := newClient(t, l.Addr().String())
	require.NoError(t, l.Close())
	check(write(t.Context(), nothing), false)
	check(read(t.Context(), nothing), false)

	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(cut.Close)
	check(write(t.Context(), newClient(t, cut.URL)), true)
	check(read(t.Context(), newClient(t, cut.URL)), false)

	arrived, leave := make(chan struct{}), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-leave }))
	t.Cleanup(func() { close(leave); silent.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	err = write(ctx, newClient(t, silent.URL))
	check(err, true)
	require.ErrorIs(t, err, context.Canceled)
}

// What cannot be is refused before anything is sent.
func TestRefusedUnsent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) }))
	t.Cleanup(server.Close)
	b := newClient(t, server.URL).Backups()
	for _, id := range []string{"", "a/b", "..", ".x"} {
		_, err := b.Restore(t.Context(), client.RestoreRequest{ID: id})
		require.ErrorIs(t, err, client.ErrInvalid, id)
		_, err = b.Delete(t.Context(), id)
		require.ErrorIs(t, err, client.ErrInvalid, id)
		_, err = b.Verify(t.Context(), id)
		require.ErrorIs(t, err, client.ErrInvalid, id)
		_, err = b.Transfer(t.Context(), client.Upload, client.TransferRequest{ID: id})
		require.ErrorIs(t, err, client.ErrInvalid, id)
		require.ErrorIs(t, client.CheckID(id), client.ErrInvalid)
	}
	_, err := b.Create(t.Context(), client.CreateRequest{Label: "a/b"})
	require.ErrorIs(t, err, client.ErrInvalid)
	_, err = b.Remote(t.Context(), client.RemoteRequest{Operation: "copy"})
	require.ErrorIs(t, err, client.ErrInvalid)
	require.ErrorContains(t, err, `unknown remote operation "copy" (want list, delete, prune or verify)`)
	_, err = b.Remote(t.Context(), client.RemoteRequest{Operation: client.RemoteDelete})
	require.ErrorIs(t, err, client.ErrInvalid)
	for _, bad := range []string{"http://root:secret@h:1", "gopher://h", "http://", "http://h/path", "%"} {
		_, err := client.New(bad, client.Options{})
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "secret")
	}
}
