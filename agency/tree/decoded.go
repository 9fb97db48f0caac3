package tree

import (
	"bytes"
	"hash/maphash"
	"sync"

	"stasis/fsm"
)

// Of the entries that the leader sends, the newest receivedKept are decoded once, if they are not
// larger than receivedSize bytes. There are about as many on their way at a time.
const (
	receivedSize = 256 << 10
	receivedKept = 64
)

// decoded has commands of which this agent has the encoding and the decoded form, so that they need
// not be decoded again when they are applied. They are found by the content of the encoding. An entry
// that is not found is decoded, which costs time and nothing else.
type decoded struct {
	seed maphash.Seed

	mu       sync.Mutex
	commands map[uint64]decodedCommand // by the hash of data
	sent     []uint64                  // hashes of what the leader has sent, the newest last
}

type decodedCommand struct {
	data    []byte
	command fsm.Command
}

func newDecoded() decoded {
	return decoded{seed: maphash.MakeSeed(), commands: map[uint64]decodedCommand{}}
}

// proposed keeps a command of this agent until forget is called or the command is taken.
func (d *decoded) proposed(data []byte, command fsm.Command) (forget func()) {
	key := maphash.Bytes(d.seed, data)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commands[key] = decodedCommand{data, command}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.commands, key)
	}
}

// received keeps a command that the leader has sent.
func (d *decoded) received(data []byte, command fsm.Command) {
	if len(data) == 0 || len(data) > receivedSize {
		return
	}
	key := maphash.Bytes(d.seed, data)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sent) == receivedKept {
		delete(d.commands, d.sent[0])
		d.sent = append(d.sent[:0], d.sent[1:]...)
	}
	d.commands[key] = decodedCommand{data, command}
	d.sent = append(d.sent, key)
}

// take returns the command of an encoding, and forgets it: an entry is applied once. Two encodings
// with the same hash are told apart by their bytes.
func (d *decoded) take(data []byte) (fsm.Command, bool) {
	key := maphash.Bytes(d.seed, data)
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.commands[key]
	if !ok || !bytes.Equal(known.data, data) {
		return fsm.Command{}, false
	}
	delete(d.commands, key)
	return known.command, true
}
