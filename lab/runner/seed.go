package runner

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand"
	chacha "math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// Seed lets crypto/rand, from which ids come, and math/rand, from which Raft draws, begin with the seed, until t
// ends. The second needs GODEBUG=randseednop=0, which children have and which can be set while a program runs.
// What [testing/cryptotest] offers is refused outside test binaries, and the child of a run is the program itself.
func Seed(t *testing.T, seed uint64) {
	before := crand.Reader
	crand.Reader = newStream(seed)
	uuid.SetRand(nil) // it takes crand.Reader as it is now
	t.Cleanup(func() {
		crand.Reader = before
		uuid.SetRand(nil)
	})
	rand.Seed(int64(seed)) //lint:ignore SA1019 the global source is drawn from by packages that cannot be given another
}

// stream is a source of random bytes for many goroutines.
type stream struct {
	mu   sync.Mutex // is held for no wait
	from *chacha.ChaCha8
}

func newStream(seed uint64) *stream {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &stream{from: chacha.NewChaCha8(key)}
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from.Read(p)
}
