package rclone

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// The few words of SOCKS 5 that the gate speaks: RFC 1928 with the passwords of
// RFC 1929, CONNECT only.
const (
	socksVersion    = 5
	passwordMethod  = 2
	passwordVersion = 1
	connectCommand  = 1

	replyDone        = 0
	replyFailed      = 1
	replyForbidden   = 2
	replyUnreachable = 4
	replyRefused     = 5
)

var errSocks = errors.New("this is no SOCKS client of this process")

// greet lets in who has a pass.
func (g *gate) greet(conn net.Conn) (*pass, string, error) {
	head, err := read(conn, 2)
	if err != nil || head[0] != socksVersion {
		return nil, "", errSocks
	}
	if _, err := read(conn, int(head[1])); err != nil {
		return nil, "", errSocks
	}
	if _, err := conn.Write([]byte{socksVersion, passwordMethod}); err != nil {
		return nil, "", err
	}
	if head, err = read(conn, 2); err != nil || head[0] != passwordVersion {
		return nil, "", errSocks
	}
	kind, err := read(conn, int(head[1]))
	if err != nil {
		return nil, "", errSocks
	}
	token, err := readString(conn)
	if err != nil {
		return nil, "", errSocks
	}
	g.mu.Lock()
	p := g.passes[token]
	g.mu.Unlock()
	if p == nil || p == g.shared && string(kind) != forHTTP {
		_, _ = conn.Write([]byte{passwordVersion, 1}) // it is refused whether it hears it or not
		return nil, "", errSocks
	}
	_, err = conn.Write([]byte{passwordVersion, 0})
	return p, string(kind), err
}

// readTarget reads where a client wants to go.
func readTarget(conn net.Conn) (name, port string, err error) {
	head, err := read(conn, 4)
	if err != nil || head[0] != socksVersion || head[1] != connectCommand {
		return "", "", errSocks
	}
	switch head[3] {
	case 1, 4:
		raw, err := read(conn, map[byte]int{1: 4, 4: 16}[head[3]])
		if err != nil {
			return "", "", errSocks
		}
		addr, _ := netip.AddrFromSlice(raw) // it has one of the two lengths
		name = addr.String()
	case 3:
		if name, err = readString(conn); err != nil {
			return "", "", errSocks
		}
	default:
		return "", "", errSocks
	}
	raw, err := read(conn, 2)
	if err != nil {
		return "", "", errSocks
	}
	return name, strconv.Itoa(int(raw[0])<<8 | int(raw[1])), nil
}

func read(conn net.Conn, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(conn, b)
	return b, err
}

func readString(conn net.Conn) (string, error) {
	n, err := read(conn, 1)
	if err != nil {
		return "", err
	}
	b, err := read(conn, int(n[0]))
	return string(b), err
}

func answer(conn net.Conn, reply byte) error {
	_, err := conn.Write([]byte{socksVersion, reply, 0, 1, 0, 0, 0, 0, 0, 0})
	return err
}

func replyFor(err error) byte {
	var dns *net.DNSError
	switch {
	case errors.Is(err, errForbidden):
		return replyForbidden
	case errors.Is(err, syscall.ECONNREFUSED):
		return replyRefused
	case errors.As(err, &dns), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH):
		return replyUnreachable
	}
	return replyFailed
}

// proxyFor is the proxy that the operator's environment has for a host, if any.
func proxyFor(target string) (*url.URL, error) {
	u := &url.URL{Scheme: "https", Host: target}
	if _, port, err := net.SplitHostPort(target); err == nil && port == "80" {
		u.Scheme = "http"
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return nil, errors.New("the proxy that the server's environment names cannot be read")
	}
	return proxy, nil
}

// dialThrough has a proxy of the operator connect. The name is looked up here too; one
// that only the proxy knows is the proxy's to allow.
func (p *pass) dialThrough(ctx context.Context, proxy *url.URL, name, target string) (net.Conn, error) {
	_, text, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	if found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name); err == nil {
		for _, a := range found {
			if err := p.permits(ctx, name, netip.AddrPortFrom(a, uint16(port))); err != nil {
				return nil, err
			}
		}
	}
	if proxy.Scheme != "http" {
		return nil, fmt.Errorf("the server's environment names a proxy of the kind %q: only http is used", proxy.Scheme)
	}
	at := proxy.Host
	if proxy.Port() == "" {
		at = net.JoinHostPort(proxy.Hostname(), "80")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("the proxy that the server's environment names: %w", err)
	}
	if err := connectThrough(conn, proxy, target); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// connectThrough asks a proxy for a connection. Its answer is read byte by byte: what
// follows belongs to the remote.
func connectThrough(conn net.Conn, proxy *url.URL, target string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password() // none is an empty one
		r.SetBasicAuth(u.Username(), password)
		r.Header.Set("Proxy-Authorization", r.Header.Get("Authorization"))
		r.Header.Del("Authorization")
	}
	if err := conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if err := r.Write(conn); err != nil {
		return fmt.Errorf("the proxy that the server's environment names: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByOne{conn}, 16), r)
	if err != nil {
		return fmt.Errorf("the proxy that the server's environment names: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy that the server's environment names answers %d", resp.StatusCode)
	}
	return conn.SetDeadline(time.Time{})
}

// oneByOne gives a byte at a time.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }
