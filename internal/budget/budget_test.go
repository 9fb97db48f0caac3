package budget

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
)

func held(b *Budget) map[string]int64 {
	m := map[string]int64{}
	for _, u := range b.Read() {
		m[u.Pool] = u.Held
	}
	return m
}

// What fills one pool leaves the others as they are.
func TestPoolsDoNotBorrow(t *testing.T) {
	b := New(100 << 20)
	large := b.Open(Client)
	require.NoError(t, large.Take(60<<20))
	another := b.Open(Client)
	require.NoError(t, another.Take(SmallBytes), "a small request goes on beside a large one")
	err := another.Take(1)
	require.ErrorIs(t, err, apierror.ResourceLimit, "more is held than there is")
	require.Equal(t, 503, apierror.From(err).Status())
	require.Equal(t, int64(SmallBytes), another.Held(), "what was refused is not held")
	peer := b.Open(Peer)
	require.NoError(t, peer.Take(25<<20), "servers go on beside large requests of clients")
	require.ErrorIs(t, b.Open(Peer).Take(1), apierror.ResourceLimit)
	large.Close()
	require.NoError(t, another.Take(1), "what is given back can be taken again")
	require.Equal(t, map[string]int64{"small": 0, "large": SmallBytes + 1, "peers": 25 << 20}, held(b))
	another.Close()
	another.Close()
	peer.Close()
	require.Equal(t, map[string]int64{"small": 0, "large": 0, "peers": 0}, held(b))
	require.NoError(t, peer.Take(1))
	peer.Owe(1)
	require.Zero(t, peer.Held(), "what has ended counts no more")
	require.Zero(t, held(b)["peers"])
}

// What a pool can never give is 413: a client that tried again would try for ever.
func TestNeverIsNotLater(t *testing.T) {
	b := New(100 << 20)
	a := b.Open(Client)
	require.NoError(t, a.Take(40<<20))
	err := a.Take(b.Largest() - 40<<20 + 1)
	require.ErrorIs(t, err, apierror.EntityTooLarge)
	require.Equal(t, 413, apierror.From(err).Status())
	require.NoError(t, a.Take(b.Largest()-40<<20))
	refused := uint64(0)
	for _, u := range b.Read() {
		refused += u.Refused
	}
	require.EqualValues(t, 1, refused)
}

// A document that the leader has taken gets to a follower whose budget is smaller.
func TestOnePeerMayBeLarge(t *testing.T) {
	b := New(10 << 20)
	require.NoError(t, b.Open(Peer).Take(1<<20), "a gate that is held, heartbeats")
	a := b.Open(Peer)
	require.NoError(t, a.fits(50<<20))
	require.NoError(t, a.Take(20<<20))
	require.NoError(t, a.Take(30<<20))
	require.ErrorIs(t, b.Open(Peer).Take(20<<20), apierror.ResourceLimit, "one at a time")
	a.Close()
	require.NoError(t, b.Open(Peer).Take(20<<20))
}

// What cannot be refused is counted: others wait until it is given back.
func TestOwed(t *testing.T) {
	b := New(100 << 20)
	a := b.Open(Client)
	a.Owe(b.Largest() * 2)
	require.ErrorIs(t, b.Open(Client).Take(SmallBytes+1), apierror.ResourceLimit)
	a.Give(b.Largest() * 2)
	other := b.Open(Client)
	require.NoError(t, other.Take(SmallBytes+1))
	require.Equal(t, held(b)["large"], int64(SmallBytes+1))
}

func TestWithoutAccount(t *testing.T) {
	var a *Account
	require.NoError(t, a.Take(math.MaxInt64))
	a.Owe(1)
	a.Give(1)
	a.Close()
	require.Nil(t, a.Sibling())
	require.Zero(t, a.Held())
	require.Nil(t, Of(context.Background()))
	account := New(1 << 20).Open(Client)
	require.Same(t, account, Of(With(context.Background(), account)))
	raw, err := ReadAll(nil, strings.NewReader("x"), 10, -1)
	require.NoError(t, err)
	require.Equal(t, "x", string(raw))
}

// Whatever is taken and given in whatever order: pools hold what the accounts hold, and
// never more than they have.
func TestAccountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := New(64 << 20)
		accounts := make([]*Account, 6)
		for i := range accounts {
			accounts[i] = b.Open(Class(i % 2))
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(accounts)-1).Draw(t, "account")
			n := rapid.Int64Range(0, 30<<20).Draw(t, "bytes")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				accounts[i].Give(n)
			case 1:
				accounts[i].Close()
				accounts[i] = accounts[i].Sibling()
			default:
				before := accounts[i].Held()
				if err := accounts[i].Take(n); err != nil {
					require.Equal(t, before, accounts[i].Held())
				} else {
					require.Equal(t, before+n, accounts[i].Held())
				}
			}
			sum := int64(0)
			for _, u := range b.Read() {
				if u.Pool != "peers" { // one of them may be larger
					require.LessOrEqual(t, u.Held, u.Size)
				}
				require.GreaterOrEqual(t, u.Held, int64(0))
				sum += u.Held
			}
			for _, a := range accounts {
				sum -= a.Held()
			}
			require.Zero(t, sum)
		}
	})
}

func TestManyGoroutines(t *testing.T) {
	b := New(1 << 20)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 500 {
				a := b.Open(Class(i % 2))
				_ = a.Take(int64(i) << 12) // may be refused
				_ = a.Take(SmallBytes)
				a.Close()
			}
		})
	}
	all.Wait()
	require.Equal(t, map[string]int64{"small": 0, "large": 0, "peers": 0}, held(b))
}

// The body is whole whatever the reader's pieces are, and what is held is what there is.
func TestReadAll(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, firstRead - 1, firstRead, firstRead + 1, 1 << 20, 3<<20 + 7} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, length := range []int64{-1, int64(size)} {
			for name, wrap := range map[string]func(io.Reader) io.Reader{"plain": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "with the end": iotest.DataErrReader} {
				a := New(100 << 20).Open(Client)
				got, err := ReadAll(a, wrap(bytes.NewReader(want)), 4<<20, length)
				require.NoError(t, err, "%d %d %s", size, length, name)
				require.True(t, bytes.Equal(want, got), "%d %d %s", size, length, name)
				require.EqualValues(t, cap(got), a.Held(), "%d %d %s", size, length, name)
				if length > firstRead {
					require.EqualValues(t, size+1, cap(got), "nothing is held for what the length rules out")
				}
			}
		}
	}
	a := New(100 << 20).Open(Client)
	_, err := ReadAll(a, bytes.NewReader(make([]byte, 1000)), 999, -1)
	require.ErrorIs(t, err, apierror.EntityTooLarge)
	_, err = ReadAll(a, bytes.NewReader(nil), 999, 1000)
	require.ErrorIs(t, err, apierror.EntityTooLarge)
	raw, err := ReadAll(a, bytes.NewReader(make([]byte, 999)), 999, -1)
	require.NoError(t, err)
	require.Len(t, raw, 999)
	_, err = ReadAll(a, iotest.ErrReader(io.ErrUnexpectedEOF), 999, -1)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Memory is taken as bytes come, not as they are promised.
func TestPromisedBytesTakeNothing(t *testing.T) {
	a := New(100 << 20).Open(Client)
	_, err := ReadAll(a, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(io.ErrUnexpectedEOF)), 1<<30, 50<<20)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, a.Held(), int64(firstRead))
}

func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// The smallest limit counts: of the group itself, of one around it, or the machine.
func TestMemoryOfTheSystem(t *testing.T) {
	root := t.TempDir()
	require.EqualValues(t, 77, system(root, 77), "nothing is known")
	write(t, root, "proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n")
	require.EqualValues(t, 16000000<<10, system(root, 77))
	write(t, root, "proc/self/cgroup", "0::/a/b\n")
	write(t, root, "sys/fs/cgroup/a/b/memory.max", "max\n")
	require.EqualValues(t, 16000000<<10, system(root, 77))
	write(t, root, "sys/fs/cgroup/a/memory.max", "1073741824\n")
	require.EqualValues(t, 1<<30, system(root, 77))
	write(t, root, "sys/fs/cgroup/a/b/memory.max", "536870912\n")
	require.EqualValues(t, 1<<29, system(root, 77))
	write(t, root, "proc/self/cgroup", "9:cpu:/x\n4:memory:/c\n")
	write(t, root, "sys/fs/cgroup/memory/c/memory.limit_in_bytes", "268435456\n")
	require.EqualValues(t, 1<<28, system(root, 77))
}

func TestValues(t *testing.T) {
	for raw, want := range map[string][3]int64{
		``:                                      {1, 1, 1},
		`7`:                                     {1, 1, 1},
		`[]`:                                    {1, 2, 2},
		`[1,2,3]`:                               {1, 4, 4},
		`[{"a":1,"b":2},[3]]`:                   {1, 3, 6},
		`["[,,","\",[",{}]`:                     {1, 4, 5},
		`{"ops":[{"a":[1,2,3]},{"b":{"c":1}}]}`: {1, 2, 4},
	} {
		for depth, n := range want {
			require.Equal(t, n, Values([]byte(raw), depth), "%s %d", raw, depth)
		}
	}
}
