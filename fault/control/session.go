package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"stasis/event"
)

// Bounds of lines of the protocol. A list of rules is an answer, and longer than any order.
const (
	mostRequest = 64 << 10
	mostAnswer  = 64 << 20
)

// Handler carries orders out. Handle may be called at the same time for several.
type Handler interface {
	Handle(ctx context.Context, s *Session, o Order) (Answer, error)
}

// Session is one connection of a controller, and in it one request: what the request started may send events until the
// connection ends.
type Session struct {
	conn *session
	id   int64
}

// Send sends an event to the controller. It does not wait.
func (s *Session) Send(e event.Event) { s.conn.send(line{ID: s.id, Event: &e}) }

// OnEnd calls do when the connection has ended. A Handler calls it in Handle only.
func (s *Session) OnEnd(do func()) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.conn.ends = append(s.conn.ends, do)
}

// session serves one connection.
type session struct {
	ctx  context.Context // ends with the connection
	end  context.CancelCauseFunc
	conn net.Conn
	out  *queue
	last chan struct{} // closed when nothing is sent after what is in the queue
	sent chan struct{} // closed when nothing is written any more
	work sync.WaitGroup
	mu   sync.Mutex
	ends []func() // what is to be done at the end
}

var errSlow = errors.New("the controller does not read what it asked for")

func (s *session) send(l line) {
	if !s.out.add(l) {
		s.end(errSlow)
	}
}

// serveConn serves one connection until it ends, or ctx does.
func serveConn(ctx context.Context, conn net.Conn, h Handler) {
	ctx, end := context.WithCancelCause(ctx)
	s := &session{ctx: ctx, end: end, conn: conn, out: newQueue(), last: make(chan struct{}), sent: make(chan struct{})}
	s.work.Go(s.write)
	s.work.Go(func() { // ends what waits on the connection
		<-ctx.Done()
		_ = conn.Close()
	})
	if err := checkPeer(conn); err != nil {
		s.refuse(err)
	} else {
		s.read(h)
	}
	end(io.EOF)
	s.work.Wait() // no Handle runs any more
	for _, do := range s.ends {
		do()
	}
}

// refuse tells a controller that nothing is done for it, whatever it asks. What is being sent comes before: a line is never torn.
func (s *session) refuse(err error) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(probeLimit)) // who does not read it learns nothing
	s.send(line{Error: asError(err)})
	close(s.last)
	<-s.sent
}

// read takes requests until the connection ends.
func (s *session) read(h Handler) {
	lines := bufio.NewScanner(s.conn)
	lines.Buffer(nil, mostRequest)
	for lines.Scan() {
		r, err := decode(lines.Bytes())
		if err != nil {
			s.send(line{ID: r.ID, Error: asError(err)})
			continue
		}
		s.work.Go(func() { s.answer(h, r) })
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		s.refuse(Errorf(BadOrder, "a request has more than %d bytes", mostRequest))
	}
}

func (s *session) answer(h Handler, r request) {
	err := r.Do.known()
	if err == nil {
		err = r.check()
	}
	if err != nil {
		s.send(line{ID: r.ID, Error: asError(err)})
		return
	}
	a, err := h.Handle(s.ctx, &Session{conn: s, id: r.ID}, r.Order)
	if err != nil {
		s.send(line{ID: r.ID, Error: asError(err)})
		return
	}
	s.send(line{ID: r.ID, Answer: &a})
}

// write sends what is to be sent.
func (s *session) write() {
	defer close(s.sent)
	out := bufio.NewWriter(s.conn)
	enc := json.NewEncoder(out)
	for last := false; !last; {
		select {
		case <-s.out.some:
		case <-s.last:
			last = true
		case <-s.ctx.Done():
			return
		}
		var err error
		for _, l := range s.out.take() {
			err = errors.Join(err, enc.Encode(l))
		}
		if err = errors.Join(err, out.Flush()); err != nil {
			s.end(err)
			return
		}
	}
}
