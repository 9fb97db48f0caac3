package egress

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

	"stasis/internal/failpoint"
)

// Kinds of clients.
const (
	ForHTTP = "http"
	ForTCP  = "tcp"
)

// permit decides about one address that name leads to.
type permit func(ctx context.Context, name string, at netip.AddrPort) error

// dial connects to a target. It checks the address of each attempt.
func dial(ctx context.Context, kind, name, target string, permits permit) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	if kind == ForHTTP {
		proxy, err := proxyFor(target)
		if err != nil {
			return nil, err
		}
		if proxy != nil {
			return dialThrough(ctx, proxy, name, target, permits)
		}
	}
	d := net.Dialer{KeepAlive: 30 * time.Second, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		}
		if failpoint.Off("connection-is-checked") {
			return nil
		}
		return permits(ctx, name, at)
	}}
	return d.DialContext(ctx, "tcp", target)
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

// dialThrough connects through a proxy of the operator. It looks the name up, too, and
// checks its addresses. A name that only the proxy knows is the proxy's to allow.
func dialThrough(ctx context.Context, proxy *url.URL, name, target string, permits permit) (net.Conn, error) {
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
			if err := permits(ctx, name, netip.AddrPortFrom(a, uint16(port))); err != nil {
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

// connectThrough asks a proxy for a connection. It reads the answer byte by byte, because
// what follows belongs to the remote.
func connectThrough(conn net.Conn, proxy *url.URL, target string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password() // none is an empty one
		r.SetBasicAuth(u.Username(), password)
		r.Header.Set("Proxy-Authorization", r.Header.Get("Authorization"))
		r.Header.Del("Authorization")
	}
	if err := conn.SetDeadline(time.Now().Add(ConnectTimeout)); err != nil {
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
