package fault

import (
	"context"
	"net/http"
)

// Message adds a rule about messages. Rules happen to a message in the order in which they were made: a message
// that the first duplicates meets the second twice. A rule that Check refuses makes it panic.
func (n *Network) Message(m Message) *MessageRule {
	if err := m.Check(); err != nil {
		panic("fault: " + err.Error())
	}
	return n.messages.add(m)
}

// RoundTripper gives a round tripper the rules about messages of a host: an http.Client that uses the result, and
// connects through the same host below it, sends no request past them. Servers of this module do so by themselves;
// this is for other clients.
func (n *Network) RoundTripper(host string, below http.RoundTripper) http.RoundTripper {
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	return (&endpoint{n: n, host: n.host(host)}).RoundTripper(below)
}

// RoundTripper is what package network asks of a network whose messages can be broken.
func (h *endpoint) RoundTripper(below http.RoundTripper) http.RoundTripper {
	return &roundTripper{all: h.n.messages, below: below, meet: h.meet}
}

// Call makes a call that is not HTTP, and to which the rules happen. do makes it; again says that it is a copy, whose answer
// is not wanted. repeatable says that do may be called a second time, also after Call has returned.
func (h *endpoint) Call(ctx context.Context, address, path string, repeatable bool, do func(again bool) error) error {
	all := h.n.messages
	if !all.some.Load() {
		return do(false)
	}
	return all.pass(ctx, h.meet(address, path), &call{do: do, copies: repeatable}, all.now())
}

// meet says between which hosts a message to address is.
func (h *endpoint) meet(address, path string) meeting {
	return meeting{from: h.host.name, to: h.at(address), address: address, path: path}
}

// at is the host of an address.
func (h *endpoint) at(address string) string {
	if h.n.over != nil {
		return h.n.over.host(address)
	}
	name, _, err := h.resolve(address)
	if err != nil {
		return address // dialing it says what is wrong
	}
	return name
}
