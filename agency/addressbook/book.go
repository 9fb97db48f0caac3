// Package addressbook finds agents by their id. An agent can be known by several addresses: the
// one that this process was started with, and the one in Raft's log. An address that cannot be
// reached gives way to the next.
//
// Raft's transport is given "id@host:port", so that a stream names the agent it is for: another
// agent that has taken over the address must not answer.
package addressbook

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// Book is what one agent knows of the others. Its methods may be called from any goroutine.
type Book struct {
	mu    sync.Mutex
	self  string
	known map[string][]string // id → addresses, the one to try next first
}

// New knows each peer by one address. self, the id of this agent, keeps the address that it has
// here.
func New(self string, peers map[string]string) *Book {
	b := &Book{self: self, known: map[string][]string{}}
	for id, address := range peers {
		b.known[id] = []string{address}
	}
	return b
}

// Learn puts the addresses of a committed membership first.
func (b *Book) Learn(members raft.Configuration) {
	for _, s := range members.Servers {
		id, address := string(s.ID), string(s.Address)
		b.Add(id, address)
		b.mu.Lock()
		for i, known := range b.known[id] {
			if known == address && id != b.self {
				copy(b.known[id][1:i+1], b.known[id][:i])
				b.known[id][0] = address
			}
		}
		b.mu.Unlock()
	}
}

// Add puts an address behind those that are known. At most three are kept.
func (b *Book) Add(id, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.known[id]
	if slices.Contains(list, address) || id == b.self {
		return
	}
	const most = 3
	b.known[id] = append(slices.Clone(list[:min(len(list), most-1)]), address)
}

// Failed puts an address behind the others of its id.
func (b *Book) Failed(id, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.known[id]; len(list) > 1 && list[0] == address {
		b.known[id] = append(append([]string{}, list[1:]...), address)
	}
}

// Of is the address to try next, otherwise if none is known.
func (b *Book) Of(id, otherwise string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.known[id]; len(list) > 0 {
		return list[0]
	}
	return otherwise
}

// ServerAddr is called by Raft's transport.
func (b *Book) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address := b.Of(string(id), ""); address != "" {
		return raft.ServerAddress(string(id) + "@" + address), nil
	}
	return "", fmt.Errorf("no address of agent %s is known", id)
}

// SplitTarget takes "id@host:port" apart. Without an id the whole is the address.
func SplitTarget(target string) (id, address string) {
	if at := strings.LastIndexByte(target, '@'); at >= 0 {
		return target[:at], target[at+1:]
	}
	return "", target
}
