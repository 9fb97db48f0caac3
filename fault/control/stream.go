package control

import (
	"context"
	"errors"
	"sync"

	"stasis/event"
	"stasis/fault"
)

// Watch calls see for each event of the process from now on, in order, until the connection ends. see must not wait,
// and not use the client.
func (c *Client) Watch(ctx context.Context, see func(event.Event)) error {
	_, _, err := c.ask(ctx, Order{Do: Watch}, func(l line) {
		if l.Event != nil {
			see(*l.Event)
		}
	})
	return err
}

// Held is an operation that is held at a step, or will be.
type Held struct {
	client  *Client
	id      int64
	reached chan struct{}
	over    chan struct{}
	mu      sync.Mutex // guards below
	event   event.Event
	why     string
	ended   bool
}

// Hold stops an operation of the process at a step until End, or until the connection ends.
func (c *Client) Hold(ctx context.Context, m fault.Moment) (*Held, error) {
	h := &Held{client: c, reached: make(chan struct{}), over: make(chan struct{})}
	_, a, err := c.ask(ctx, Order{Do: Hold, Moment: &m}, h.see)
	if err != nil {
		return nil, err
	}
	h.id = a.Rule.ID
	return h, nil
}

// see takes what the process tells of the hold: that it is reached, and that it ended by itself.
func (h *Held) see(l line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case l.Event != nil && h.event.Step == "":
		h.event = *l.Event
		close(h.reached)
	case l.Over != "" && h.why == "":
		h.why = l.Over
		close(h.over)
	}
}

// Reached is closed when the operation has come to the step.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Over is closed when the hold has ended by itself: the operation has reached a limit of its own and goes on. What it does from
// then on does not happen under the hold.
func (h *Held) Over() <-chan struct{} { return h.over }

// Why says why the hold ended by itself; "" if it did not.
func (h *Held) Why() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why
}

// Gone is closed when the connection has ended, and the hold with it.
func (h *Held) Gone() <-chan struct{} { return h.client.gone }

// Event is the step; ok is false before it is reached.
func (h *Held) Event() (e event.Event, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.event, h.event.Step != ""
}

// End lets the operation go on. It returns when the process has let it go. Calling it again is harmless.
func (h *Held) End(ctx context.Context) error {
	h.mu.Lock()
	ended := h.ended
	h.mu.Unlock()
	if ended {
		return nil
	}
	_, err := h.client.Do(ctx, Order{Do: Release, Rule: h.id})
	if errors.Is(err, NoSuchRule) { // another controller has let it go
		err = nil
	}
	if err == nil {
		h.mu.Lock()
		h.ended = true
		h.mu.Unlock()
	}
	return err
}
