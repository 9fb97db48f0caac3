package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"
)

// Client is the controller's end of a connection. All methods may be called from any goroutine.
type Client struct {
	name    string // of who answers, for errors
	conn    net.Conn
	hello   Hello
	gone    chan struct{} // closed when the connection has ended
	reading sync.WaitGroup
	writing chan struct{} // one token: who has it may write

	mu      sync.Mutex // guards below
	last    int64
	waits   map[int64]chan line
	follow  map[int64]func(line) // what takes the lines that follow an answer
	refusal error                // why nothing is answered
}

// Dial connects to a socket. An error that wraps [fs.ErrNotExist] or ECONNREFUSED means that no process serves it.
func Dial(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no process serves the control socket %s: its process is not running, or was started without a socket: %w", path, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no process serves the control socket %s: the process that made it is not running any more: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("connect to the control socket %s: %w", path, err)
	}
	if err := checkServer(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket %s: %w", path, err), conn.Close())
	}
	return connect(ctx, conn, path)
}

// Local connects to a handler in this process. The second function ends the connection, and waits for all that it does; the
// end of ctx does not: what was asked for on the connection, as a hold, outlasts the call that made it.
func Local(ctx context.Context, h Handler) (*Client, func(), error) {
	here, there := net.Pipe()
	served, end := context.WithCancel(context.WithoutCancel(ctx))
	var serving sync.WaitGroup
	serving.Go(func() { serveConn(served, there, h) })
	c, err := connect(ctx, here, "this process")
	closing := func() {
		if c != nil {
			c.Close()
		}
		end()
		serving.Wait()
	}
	if err != nil {
		closing()
		return nil, nil, err
	}
	return c, closing, nil
}

func connect(ctx context.Context, conn net.Conn, name string) (*Client, error) {
	c := &Client{
		name: name, conn: conn, gone: make(chan struct{}), writing: make(chan struct{}, 1),
		waits: map[int64]chan line{}, follow: map[int64]func(line){},
	}
	c.reading.Go(c.read)
	a, err := c.Do(ctx, Order{Do: HelloVerb})
	switch {
	case err != nil:
	case a.Hello == nil:
		err = Errorf(OtherVersion, "%s does not say which version of the control protocol it speaks", name)
	case a.Hello.Version != Version:
		err = Errorf(OtherVersion, "%s speaks version %d of the control protocol and this program version %d: use the same program for both", name, a.Hello.Version, Version)
	default:
		c.hello = *a.Hello
		return c, nil
	}
	c.Close()
	return nil, err
}

// Hello is who answers.
func (c *Client) Hello() Hello { return c.hello }

// Gone is closed when the connection has ended, by either end. Holds have ended then.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Close ends the connection, and waits until no event is delivered any more. It must not be called from a function that
// receives events.
func (c *Client) Close() {
	_ = c.conn.Close() // what it could say does not matter: nothing is sent any more
	c.reading.Wait()
}

// Do sends an order and waits for its answer, until ctx ends.
func (c *Client) Do(ctx context.Context, o Order) (Answer, error) {
	_, a, err := c.ask(ctx, o, nil)
	return a, err
}

// ask is Do with a function for the lines that follow the answer, or come before it.
func (c *Client) ask(ctx context.Context, o Order, see func(line)) (id int64, a Answer, err error) {
	id, answered := c.begin(see)
	defer c.answered(id)
	if err := c.write(ctx, request{ID: id, Order: o}); err != nil {
		c.forget(id)
		return 0, a, err
	}
	select {
	case l := <-answered:
		return c.got(id, l)
	case <-c.gone:
		select {
		case l := <-answered: // the last that came
			return c.got(id, l)
		default:
		}
		if err := c.refused(); err != nil {
			return 0, a, err
		}
		return 0, a, Errorf(Lost, "%s: the connection ended before %q was answered: it is not known whether it was done", c.name, o.Do)
	case <-ctx.Done():
		c.forget(id)
		return 0, a, Errorf(Silent, "%s did not answer %q in time (%v): it is not known whether it was done", c.name, o.Do, context.Cause(ctx))
	}
}

// got is what an order gives that was answered.
func (c *Client) got(id int64, l line) (int64, Answer, error) {
	if l.Error != nil {
		c.forget(id)
		return 0, Answer{}, l.Error
	}
	return id, *l.Answer, nil
}

func (c *Client) refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal
}

func (c *Client) begin(see func(line)) (id int64, answered chan line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	answered = make(chan line, 1)
	c.waits[c.last] = answered
	if see != nil {
		c.follow[c.last] = see
	}
	return c.last, answered
}

func (c *Client) answered(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waits, id)
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.follow, id)
}

// write sends a request. A process that is paused reads none: its end of the connection may be full.
func (c *Client) write(ctx context.Context, r request) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return Errorf(BadOrder, "%s: %v", r.Do, err)
	}
	if len(raw) >= mostRequest { // the process would end the connection
		return Errorf(BadOrder, "%q has %d bytes: want less than %d", r.Do, len(raw), mostRequest)
	}
	select {
	case c.writing <- struct{}{}:
	case <-c.gone:
		if err := c.refused(); err != nil {
			return err
		}
		return Errorf(Lost, "%s: the connection has ended: %q was not sent", c.name, r.Do)
	case <-ctx.Done():
		return Errorf(Silent, "%s takes no orders (%v): %q was not sent", c.name, context.Cause(ctx), r.Do)
	}
	defer func() { <-c.writing }()
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err = c.conn.Write(append(raw, '\n'))
	stop()
	if err != nil {
		if ctx.Err() == nil { // the process may have said why it takes nothing
			_ = c.conn.SetReadDeadline(time.Now().Add(probeLimit))
			c.reading.Wait()
		}
		_ = c.conn.Close() // half a line may have been sent
		if err := c.refused(); err != nil {
			return err
		}
		return Errorf(Lost, "%s: send %q: %v", c.name, r.Do, err)
	}
	return nil
}

// read delivers what the process sends.
func (c *Client) read() {
	defer close(c.gone)
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(nil, mostAnswer)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			break // no process of this protocol
		}
		c.mu.Lock()
		if l.ID == 0 && l.Error != nil { // of the connection
			c.refusal = l.Error
		}
		wait, see := c.waits[l.ID], c.follow[l.ID]
		if !l.follows() {
			delete(c.waits, l.ID)
		}
		c.mu.Unlock()
		switch {
		case l.follows() && see != nil:
			see(l)
		case !l.follows() && wait != nil && (l.Answer != nil || l.Error != nil):
			wait <- l
		}
	}
	_ = c.conn.Close()
}
