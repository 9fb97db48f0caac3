package integration

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"golang.org/x/net/webdav"
)

// heldRemote is a WebDAV server that counts how often the content of each blob goes
// through it, and holds a transfer in the middle until it is told to go on.
type heldRemote struct {
	dav    webdav.Handler
	dir    webdav.Dir // of the files that it has
	url    string
	method string // PUT or GET: what is counted and held

	mu      sync.Mutex
	begun   map[string]int // by hash
	done    map[string]int
	held    map[string]bool // hashes of which
	half    int             // so many go through, and the next one is held
	reached chan struct{}   // closed when one is held
	release chan struct{}   // closed when all may go on
}

func newHeldRemote(t *testing.T) *heldRemote {
	h := &heldRemote{dir: webdav.Dir(t.TempDir())}
	h.dav = webdav.Handler{FileSystem: h.dir, LockSystem: webdav.NewMemLS()}
	h.hold(http.MethodPut, nil)
	server := httptest.NewServer(h)
	t.Cleanup(func() { h.goOn(); server.Close() })
	h.url = server.URL
	return h
}

func (h *heldRemote) config() map[string]any {
	return map[string]any{"w": map[string]string{"type": "webdav", "vendor": "other", "url": h.url, "description": canary}}
}

// hold counts from zero, and holds the transfer of these hashes when half of them are done.
func (h *heldRemote) hold(method string, hashes map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.method, h.held, h.half = method, hashes, len(hashes)/2
	h.begun, h.done = map[string]int{}, map[string]int{}
	h.reached, h.release = make(chan struct{}), make(chan struct{})
	if hashes == nil {
		close(h.release)
	}
}

// goOn lets all go on; it gives what is done.
func (h *heldRemote) goOn() (done map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	done = map[string]bool{}
	for sum := range h.done {
		done[sum] = h.held[sum]
	}
	h.held = nil
	select {
	case <-h.release:
	default:
		close(h.release)
	}
	return done
}

// times is how often the content of a blob began to go through since hold.
func (h *heldRemote) times(sum string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.begun[sum]
}

var blobHash = regexp.MustCompile(`/blobs/.*([0-9a-f]{64})`)

func (h *heldRemote) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	match := blobHash.FindStringSubmatch(r.URL.Path)
	if match == nil || r.Method != h.counted() {
		h.dav.ServeHTTP(w, r)
		return
	}
	sum := match[1]
	if wait := h.begin(sum); wait != nil {
		r.Body = &heldBody{ReadCloser: r.Body, release: wait}
		if r.Method == http.MethodGet {
			<-wait
		}
	}
	h.dav.ServeHTTP(w, r)
	if _, err := r.Body.Read(make([]byte, 1)); err == io.EOF {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.done[sum]++
	}
}

func (h *heldRemote) counted() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.method
}

// begin counts a blob; it is not nil when that is to be held.
func (h *heldRemote) begin(sum string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun[sum]++
	if !h.held[sum] {
		return nil
	}
	done := 0
	for s := range h.done {
		if h.held[s] {
			done++
		}
	}
	if done < h.half {
		return nil
	}
	select {
	case <-h.reached:
	default:
		close(h.reached)
	}
	return h.release
}

// heldBody lets the first bytes through, and then waits.
type heldBody struct {
	io.ReadCloser
	release <-chan struct{}
	begun   bool
}

func (b *heldBody) Read(p []byte) (int, error) {
	if b.begun {
		<-b.release
	}
	b.begun = true
	return b.ReadCloser.Read(p[:min(len(p), 100)])
}
