package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// post is what a server got: the path, and its body.
type post struct{ path, body string }

// office is a server that notes what it gets, and a client.
type office struct {
	*testing.T
	m       *fault.Network
	url     string
	client  *http.Client
	mu      sync.Mutex
	all     []post        // what got gives
	arrived chan struct{} // one for each
	stream  chan struct{} // closed when the client of /stream has gone
}

// work runs a test in a bubble.
func work(t *testing.T, test func(*office)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		o := &office{T: t, m: fault.NewNetwork(), arrived: make(chan struct{}, 100), stream: make(chan struct{})}
		s, err := network.NewServer(o.m.Host("server"), http.HandlerFunc(o.serve), network.ServerOptions{Address: "server:80"})
		require.NoError(t, err)
		o.url, o.client = s.URL(), network.NewHTTPClient(o.m.Host("client"))
		test(o)
		o.client.CloseIdleConnections()
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, o.m.Close())
	})
}

func (o *office) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	o.mu.Lock()
	o.all = append(o.all, post{r.URL.Path, string(body)})
	number := len(o.all)
	o.mu.Unlock()
	o.arrived <- struct{}{}
	_, _ = fmt.Fprintf(w, "answer %d", number)
	if r.URL.Path == "/stream" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(o.stream)
	}
}

// got is what has come, in its order.
func (o *office) got() []post {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.all)
}

// send posts text; the body is of unknown length if blind.
func (o *office) send(ctx context.Context, path string, body io.Reader) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url+path, body)
	if err != nil {
		return "", err
	}
	resp, err := o.client.Do(r)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(resp.Body)
	return string(answer), errors.Join(err, resp.Body.Close())
}

// patient is a caller that waits for so long.
func (o *office) patient(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(o.Context(), d)
	o.Cleanup(cancel)
	return ctx
}

func TestLoseRequest(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{From: "client", To: "server", Path: "/a", Do: fault.LoseRequest, Times: 2})
		begun := time.Now()
		_, err := o.send(o.patient(3*time.Second), "/a", strings.NewReader("1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.Empty(t, o.got())
		require.Equal(t, 1, rule.Met())
		<-rule.Reached()

		_, err = o.send(t.Context(), "/a", nil) // a caller with all patience: the system gives up
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.Equal(t, 15*time.Minute+3*time.Second, time.Since(begun))

		answer, err := o.send(t.Context(), "/a", strings.NewReader("2"))
		require.NoError(t, err, "two are lost and no more")
		require.Equal(t, "answer 1", answer)
		require.Equal(t, 2, rule.Met())
	})
}

// By says when the connection breaks. Other paths and other hosts are left alone.
func TestMessagesAreSelected(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{To: "server", Path: "/a", Do: fault.LoseRequest, By: time.Second, After: 1, Every: 2})
		other := o.m.Message(fault.Message{To: "client", Do: fault.LoseRequest})
		var lost []int
		for i := range 6 {
			_, err := o.send(t.Context(), "/b", nil)
			require.NoError(t, err)
			if _, err := o.send(t.Context(), "/a", nil); err != nil {
				require.ErrorIs(t, err, syscall.ETIMEDOUT)
				lost = append(lost, i)
			}
		}
		require.Equal(t, []int{2, 4}, lost, "one passes, and then each second is lost")
		require.Equal(t, 2, rule.Met())
		require.Zero(t, other.Met())
		rule.End()
		rule.End()
		_, err := o.send(t.Context(), "/a", nil)
		require.NoError(t, err)
	})
}

func TestPathsWithStars(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Path: "/shards/*/accept", Do: fault.LoseAnswer, By: time.Second})
		for path, met := range map[string]int{"/shards/s1/accept": 1, "/shards/s22/accept/x": 1, "/shards/s1/documents": 0, "/shards/s1": 0, "/other/s1/accept": 0} {
			before := rule.Met()
			_, err := o.send(t.Context(), path, nil)
			require.Equal(t, met == 1, err != nil, path)
			require.Equal(t, met, rule.Met()-before, path)
		}
	})
}

// The answer to a call that did happen is lost.
func TestLoseAnswer(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Do: fault.LoseAnswer, By: 2 * time.Second, Times: 1})
		begun := time.Now()
		_, err := o.send(t.Context(), "/a", strings.NewReader("done"))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.Equal(t, []post{{"/a", "done"}}, o.got())
		require.Equal(t, 1, rule.Met())
	})
}

// The server of a stream whose answer is lost learns of it when the caller gives up.
func TestLoseAnswerOfStream(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		o.m.Message(fault.Message{Do: fault.LoseAnswer})
		failed := make(chan error, 1)
		go func() {
			_, err := o.send(o.patient(time.Minute), "/stream", nil)
			failed <- err
		}()
		time.Sleep(59 * time.Second)
		select {
		case <-o.stream:
			t.Fatal("the server has been told")
		default:
		}
		require.ErrorIs(t, <-failed, context.DeadlineExceeded)
		<-o.stream
	})
}

// The second one comes after the first, and has the same body, whether the client can give the body again or not.
func TestDuplicate(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Do: fault.Duplicate, Times: 2, By: time.Second})
		answer, err := o.send(t.Context(), "/a", strings.NewReader("again"))
		require.NoError(t, err)
		require.Equal(t, "answer 1", answer)
		<-rule.Reached()
		require.Equal(t, []post{{"/a", "again"}, {"/a", "again"}}, o.got())

		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+"/c", io.NopCloser(strings.NewReader("once")))
		require.NoError(t, err)
		r.ContentLength = 4
		resp, err := o.client.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		for range 4 {
			<-o.arrived
		}
		synctest.Wait()
		require.Equal(t, []post{{"/c", "once"}, {"/c", "once"}}, o.got()[2:])
		require.Equal(t, 2, rule.Met())

		_, err = o.send(t.Context(), "/d", nil)
		require.NoError(t, err)
		require.Len(t, o.got(), 5, "two are concerned and no more")
	})
}

// What cannot be kept is not selected.
func TestDuplicateLeavesLongBodiesAlone(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Do: fault.Duplicate, Times: 1})
		_, err := o.send(t.Context(), "/a", io.MultiReader(strings.NewReader("of unknown length")))
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url, io.NopCloser(bytes.NewReader(make([]byte, 9<<20))))
		require.NoError(t, err)
		r.ContentLength = 9 << 20
		resp, err := o.client.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		synctest.Wait()
		require.Equal(t, 2, len(o.got()))
		require.Zero(t, rule.Met())
	})
}

func TestDelayOfMessages(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Do: fault.DelayIt, By: time.Second})
		begun := time.Now()
		_, err := o.send(t.Context(), "/a", nil)
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(begun))

		// The caller gives up, and the request arrives nevertheless: so it must not look like one that was never sent.
		sent := false
		ctx := httptrace.WithClientTrace(o.patient(time.Second/4), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
		_, err = o.send(ctx, "/late", strings.NewReader("late"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, sent)
		require.Len(t, o.got(), 1)
		<-o.arrived
		<-o.arrived
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.Equal(t, post{"/late", "late"}, o.got()[1])
		require.Equal(t, 2, rule.Met())

		time.AfterFunc(time.Second/2, rule.End)
		begun = time.Now()
		_, err = o.send(t.Context(), "/a", nil)
		require.NoError(t, err)
		require.Equal(t, time.Second/2, time.Since(begun), "the end of the rule lets it go on")
	})
}

func TestReorder(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		rule := o.m.Message(fault.Message{Do: fault.Reorder, By: time.Minute})
		first := make(chan error, 1)
		go func() {
			_, err := o.send(t.Context(), "/first", nil)
			first <- err
		}()
		synctest.Wait()
		require.Empty(t, o.got())
		require.Zero(t, rule.Met(), "nothing has overtaken it")
		_, err := o.send(t.Context(), "/second", nil)
		require.NoError(t, err)
		require.NoError(t, <-first)
		require.Equal(t, []post{{"/second", ""}, {"/first", ""}}, o.got())
		require.Equal(t, 1, rule.Met())

		begun := time.Now()
		_, err = o.send(t.Context(), "/third", nil)
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(begun), "no later one came")
		require.Equal(t, 1, rule.Met())
	})
}

// Rules happen in the order in which they were made: the first copy of a request is answered, the second is lost.
func TestRulesCompose(t *testing.T) {
	work(t, func(o *office) {
		t := o.T
		twice := o.m.Message(fault.Message{Do: fault.Duplicate, By: time.Second})
		lost := o.m.Message(fault.Message{Do: fault.LoseAnswer, Every: 2, By: time.Second})
		_, err := o.send(t.Context(), "/a", nil)
		require.NoError(t, err)
		<-lost.Reached()
		require.Len(t, o.got(), 2)
		synctest.Wait()
		require.Zero(t, twice.Met(), "its answer has not come")
		o.m.HealAll()
		_, err = o.send(t.Context(), "/a", nil)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Len(t, o.got(), 3)
	})
}

func TestMessagesThatCannotBe(t *testing.T) {
	require.ErrorContains(t, fault.Message{Do: "eat"}.Check(), `"eat"`)
	require.ErrorContains(t, fault.Message{Do: fault.DelayIt}.Check(), "By is missing")
	require.ErrorContains(t, fault.Message{Do: fault.Duplicate, Times: -1}.Check(), "negative")
	require.NoError(t, fault.Message{Do: fault.Duplicate}.Check())
	require.Panics(t, func() { fault.NewNetwork().Message(fault.Message{}) })
}

// What waits for a lost answer ends with the network, and so does what is on its way without a caller.
func TestCloseEndsMessages(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		m.Message(fault.Message{Path: "/lost", Do: fault.LoseRequest})
		m.Message(fault.Message{Do: fault.DelayIt, By: time.Hour})
		web := &http.Client{Transport: m.RoundTripper("client", &http.Transport{DialContext: m.Host("client").DialContext})}
		failed := make(chan error, 2)
		for _, path := range []string{"lost", "late"} {
			go func() {
				_, err := get(context.Background(), web, "http://server/"+path)
				failed <- err
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, web, "http://server/left")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, m.Close())
		for range 2 {
			require.ErrorContains(t, <-failed, "use of closed network connection")
		}
	})
}
