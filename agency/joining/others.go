package joining

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"stasis/agency/keys"
	"stasis/agency/origin"
	"stasis/internal/network"
)

// path begins the paths of the agency's HTTP API.
const path = "/_api/agency/"

// maxAnswer bounds an answer of another agent in bytes.
const maxAnswer = 64 << 20

// others asks other agents over HTTP.
type others struct {
	client  *http.Client
	patient time.Duration // for an answer
	joins   bool          // this agent was told to join an agency
	origins *origin.Origins
	guard   *origin.Guard
}

func newOthers(n network.Network, patient time.Duration, joins bool, o *origin.Origins, g *origin.Guard) *others {
	c := network.NewHTTPClient(n)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &others{client: c, patient: patient, joins: joins, origins: o, guard: g}
}

func (o *others) close() { o.client.CloseIdleConnections() }

// ask asks an agent, and the leader that it points to.
func (o *others) ask(running context.Context, address, name string, call, into any) error {
	body, err := json.Marshal(call)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	ctx, cancel := context.WithTimeout(running, o.patient)
	defer cancel()
	url := "http://" + address + path + name
	for range 2 {
		response, raw, err := o.post(ctx, url, body)
		switch {
		case err != nil:
			return fmt.Errorf("ask %s: %w", address, err)
		case response.StatusCode == http.StatusTemporaryRedirect:
			url = response.Header.Get("Location")
			continue
		case response.StatusCode == http.StatusMisdirectedRequest:
			return o.misdirected(address, response.Header.Get(keys.OriginHeader))
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("ask %s: %s: %s", address, response.Status, raw)
		}
		return json.Unmarshal(raw, into)
	}
	return fmt.Errorf("ask %s: no leader", address)
}

// post makes one request and reads its answer.
func (o *others) post(ctx context.Context, url string, body []byte) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set(keys.OriginHeader, o.origins.Origin().Text())
	response, err := o.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	_ = response.Body.Close() // read to its end
	return response, raw, err
}

// misdirected is the answer of an agent that belongs elsewhere. If that agent belongs to a later
// incarnation, or to the agency that this agent was told to join, this agent is the stranger.
func (o *others) misdirected(address, header string) error {
	theirs, err := keys.ParseOrigin(header)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	mine := o.origins.Origin()
	if mine.Sees(theirs) == keys.Newer {
		return o.guard.Meet(address, theirs)
	}
	err = fmt.Errorf("%w: the agent at %s belongs to %s, this one to %s", origin.ErrStranger, address, theirs, mine)
	if o.joins {
		o.guard.GiveUp(fmt.Errorf("%w: to become a member there, it starts with an empty data directory", err))
	}
	return err
}
