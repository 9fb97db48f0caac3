package restore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// roundTrip answers a request without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStatusPeersReadTheEpoch(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   uint64
		bad    bool
	}{
		{200, `{"epoch":7,"other":true}`, 7, false},
		{200, `{"epoch":0}`, 0, false},
		{200, `{"id":"CRDN-x"}`, 0, true},
		{200, `<html>`, 0, true},
		{404, `{"error":true,"code":404,"errorNum":404,"errorMessage":"unknown path"}`, 0, true},
	} {
		p := StatusPeers{&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "http://host:1/_stasis/status", r.URL.String())
			return &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(c.body))}, nil
		})}}
		got, err := p.Epoch(context.Background(), "http://host:1")
		require.Equal(t, c.bad, err != nil, c.body)
		require.Equal(t, c.want, got)
	}
	p := StatusPeers{&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no answer") })}}
	_, err := p.Epoch(context.Background(), "http://host:1")
	require.ErrorContains(t, err, "no answer")
}
