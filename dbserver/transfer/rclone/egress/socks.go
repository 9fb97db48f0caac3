package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// The part of SOCKS 5 that the gate speaks: RFC 1928 with the passwords of RFC 1929,
// CONNECT only.
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

// greet reads who the client is: the kind and the token that Proxy gave it. The client is
// refused unless it is accepted.
func greet(conn net.Conn, accepts func(kind, token string) bool) (kind, token string, err error) {
	head, err := read(conn, 2)
	if err != nil || head[0] != socksVersion {
		return "", "", errSocks
	}
	if _, err := read(conn, int(head[1])); err != nil {
		return "", "", errSocks
	}
	if _, err := conn.Write([]byte{socksVersion, passwordMethod}); err != nil {
		return "", "", err
	}
	if head, err = read(conn, 2); err != nil || head[0] != passwordVersion {
		return "", "", errSocks
	}
	raw, err := read(conn, int(head[1]))
	if err != nil {
		return "", "", errSocks
	}
	kind = string(raw)
	if token, err = readString(conn); err != nil {
		return "", "", errSocks
	}
	if !accepts(kind, token) {
		_, _ = conn.Write([]byte{passwordVersion, 1}) // it is refused whether it hears it or not
		return "", "", errSocks
	}
	_, err = conn.Write([]byte{passwordVersion, 0})
	return kind, token, err
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
	case errors.Is(err, ErrForbidden):
		return replyForbidden
	case errors.Is(err, syscall.ECONNREFUSED):
		return replyRefused
	case errors.As(err, &dns), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH):
		return replyUnreachable
	}
	return replyFailed
}
