package agency

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// addressBook finds agents by id. An agent may be known by several addresses: the
// one this process was started with, and the one that Raft's log has. Whichever
// cannot be reached gives way to the next.
//
// What Raft gets is "id@host:port", so that a stream can tell whom it is for: at
// an address that somebody else has taken over, that one must not answer.
type addressBook struct {
	mu    sync.Mutex
	self  string
	known map[string][]string // id → addresses, the one to try next first
}

func newAddressBook(self string, peers map[string]string) *addressBook {
	b := &addressBook{self: self, known: map[string][]string{}}
	for id, address := range peers {
		b.known[id] = []string{address}
	}
	return b
}

// learn puts first what a change of the membership tells.
func (b *addressBook) learn(members raft.Configuration) {
	for _, s := range members.Servers {
		id, address := string(s.ID), string(s.Address)
		b.add(id, address)
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

// add puts an address behind those known already.
func (b *addressBook) add(id, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.known[id]
	if slices.Contains(list, address) || id == b.self {
		return
	}
	const most = 3
	b.known[id] = append(slices.Clone(list[:min(len(list), most-1)]), address)
}

// failed puts an address behind the others of its id.
func (b *addressBook) failed(id, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.known[id]; len(list) > 1 && list[0] == address {
		b.known[id] = append(append([]string{}, list[1:]...), address)
	}
}

// address is where to find an agent, otherwise if nothing is known.
func (b *addressBook) address(id, otherwise string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.known[id]; len(list) > 0 {
		return list[0]
	}
	return otherwise
}

// ServerAddr is asked by Raft's transport.
func (b *addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address := b.address(string(id), ""); address != "" {
		return raft.ServerAddress(string(id) + "@" + address), nil
	}
	return "", fmt.Errorf("no address of agent %s is known", id)
}

// splitTarget takes "id@host:port" apart.
func splitTarget(target string) (id, address string) {
	if at := strings.LastIndexByte(target, '@'); at >= 0 {
		return target[:at], target[at+1:]
	}
	return "", target
}
