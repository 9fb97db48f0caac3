package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"stasis/agency/keys"
)

// agents is the agents of the agency, and what is known of them: which one probably leads, and
// which agency they have to belong to.
type agents struct {
	endpoints []string
	http      *http.Client
	timeout   time.Duration // of one attempt
	leader    *leader
	followed  *followed
}

// attempt sends the request to one agent, once. sent says whether the agent may have it although
// there is no answer.
func (a *agents) attempt(ctx context.Context, endpoint string, r request) (ans answer, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if r.poll {
		defer a.leader.polling(endpoint, cancel)()
	}
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := a.httpRequest(traced, endpoint, r)
	if err != nil {
		return answer{}, false, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return answer{}, connected.Load(), bare(err)
	}
	defer resp.Body.Close()
	body, err := plain(resp)
	if err != nil {
		return answer{}, true, fmt.Errorf("read the answer: %w", err)
	}
	ans = answer{endpoint: endpoint, status: resp.StatusCode, location: resp.Header.Get("Location"), body: body}
	if ans.origin, err = keys.ParseOrigin(resp.Header.Get(keys.OriginHeader)); err != nil {
		return answer{}, true, err
	}
	if !r.anyAgency {
		if err := a.followed.check(endpoint, ans.origin); err != nil {
			// With 421 it says that it has done nothing. A redirect does nothing either.
			return answer{}, resp.StatusCode != http.StatusMisdirectedRequest && resp.StatusCode != http.StatusTemporaryRedirect, err
		}
	}
	return ans, true, nil
}

func (a *agents) httpRequest(ctx context.Context, endpoint string, r request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, endpoint+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if r.poll {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if r.once {
		req.Header.Set(keys.OnceHeader, "true")
	}
	if origin := a.followed.get(); origin.Exists() && !r.anyAgency {
		req.Header.Set(keys.OriginHeader, origin.Text())
	}
	return req, nil
}

// plain reads a body, compressed or not.
func plain(resp *http.Response) ([]byte, error) {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(resp.Body)
	}
	r, err := gzip.NewReader(resp.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// bare strips method and URL, which the callers say themselves.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
