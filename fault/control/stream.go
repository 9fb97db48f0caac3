package control

import (
	"context"
	"sync"

	"stasis/event"
	"stasis/fault"
)

// Watch calls see for each event of the process from now on, in order, until the connection ends. see must not wait,
// and not use the client.
func (c *Client) Watch(ctx context.Context, see func(event.Event)) error {
	_, _, err := c.ask(ctx, Order{Do: Watch}, see)
	return err
}

// Held is an operation that is held at a step, or will be.
type Held struct {
	client  *Client
	id      int64
	reached chan struct{}
	mu      sync.Mutex
	event   event.Event
}

// Hold stops an operation of the process at a step until End, or until the connection ends.
func (c *Client) Hold(ctx context.Context, m fault.Moment) (*Held, error) {
	h := &Held{client: c, reached: make(chan struct{})}
	var once sync.Once
	_, a, err := c.ask(ctx, Order{Do: Hold, Moment: &m}, func(e event.Event) {
		once.Do(func() {
			h.mu.Lock()
			h.event = e
			h.mu.Unlock()
			close(h.reached)
		})
	})
	if err != nil {
		return nil, err
	}
	h.id = a.Rule.ID
	return h, nil
}

// Reached is closed when the operation has come to the step.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Gone is closed when the connection has ended, and the hold with it.
func (h *Held) Gone() <-chan struct{} { return h.client.gone }

// Event is the step; ok is false before it is reached.
func (h *Held) Event() (e event.Event, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.event, h.event.Step != ""
}

// End lets the operation go on. It returns when the process has let it go.
func (h *Held) End(ctx context.Context) error {
	_, err := h.client.Do(ctx, Order{Do: Release, Rule: h.id})
	return err
}
