package egress

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// The rule itself, for addresses that no test can listen at.
func TestHosts(t *testing.T) {
	h := Hosts{Own: at("10.1.2.3:8529", "[fd12::3]:8629", "bad", "127.0.0.1:8530")}
	for address, allowed := range map[string]bool{
		"10.1.2.3:8529": false, "[::ffff:10.1.2.3]:8529": false, "10.1.2.3:443": true, "10.1.2.4:8529": true, "[fd12::3]:8629": false,
		"127.0.0.1:8530": false, "127.9.9.9:8530": false, "[::1]:8530": false, "127.0.0.1:9000": true, "169.254.1.1:80": false, "[fe80::1%eth0]:80": false,
		"[ff02::1]:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "[fd00:ec2::254]:80": false, "8.8.8.8:443": true, "[64:ff9b::8.8.8.8]:443": true,
		// IPv4 addresses in those of IPv6 that lead to them: special ones, and the cluster's.
		"[64:ff9b::a9fe:a9fe]:80": false, "[2002:a9fe:a9fe::1]:80": false, "[::a9fe:a9fe]:80": false,
		"[64:ff9b::a01:203]:8529": false, "[2002:a01:203::1]:8529": false, "[64:ff9b::a01:203]:443": true,
	} {
		err := h.permits(t.Context(), "x", netip.MustParseAddrPort(address))
		require.Equal(t, allowed, err == nil, "%s: %v", address, err)
	}
	for entry, cases := range map[string]map[string]bool{
		"169.254.169.254":    {"169.254.169.254:80": true, "[::ffff:169.254.169.254]:80": true, "169.254.1.1:80": false},
		"169.254.169.254:80": {"169.254.169.254:80": true, "169.254.169.254:81": false},
		"169.254.0.0/16":     {"169.254.1.1:80": true, "10.1.2.3:8529": false},
		"[fe80::1]:80":       {"[fe80::1]:80": true, "[fe80::2]:80": false},
		"store.lan":          {"169.254.1.1:80": true},
		"other.lan":          {"169.254.1.1:80": false},
	} {
		m, err := ParseHost(entry)
		require.NoError(t, err)
		for address, allowed := range cases {
			err := Hosts{More: []Host{m}, Own: h.Own}.permits(t.Context(), "Store.LAN.", netip.MustParseAddrPort(address))
			require.Equal(t, allowed, err == nil, "%s, %s: %v", entry, address, err)
		}
	}
	for _, bad := range []string{"", "a/b", "host:0", "host:99999", "10.0.0.0/99", "a b"} {
		_, err := ParseHost(bad)
		require.Error(t, err, bad)
	}
}

// A client without a pass is not served, and nothing listens when no remote is open.
func TestGateIsClosedToOthers(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	p, err := NewPass(Hosts{})
	require.NoError(t, err)
	gate := p.gate.listener.Addr().String()
	_, text, err := net.SplitHostPort(victim)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	place := "\x01\x7f\x00\x00\x01" + string([]byte{byte(port >> 8), byte(port)})
	words := func(kind, token string) string {
		return "\x05\x01\x02\x01" + string([]byte{byte(len(kind))}) + kind + string([]byte{byte(len(token))}) + token + "\x05\x01\x00" + place
	}
	say := func(words string) (connected bool) {
		conn, err := net.Dial("tcp", gate)
		require.NoError(t, err)
		_, err = conn.Write([]byte(words))
		require.NoError(t, err)
		_ = conn.(*net.TCPConn).CloseWrite() // the gate may have hung up
		all, _ := io.ReadAll(conn)           // it may have hung up on us
		require.NoError(t, conn.Close())
		return strings.Contains(string(all), "\x05\x00\x00\x01")
	}
	require.True(t, say(words(ForTCP, p.token)), "the test proves nothing")
	require.EqualValues(t, 1, accepted())
	for _, words := range []string{
		"GET / HTTP/1.1\r\n\r\n", "\x05\x01\x00\x05\x01\x00" + place, "\x05\x01\x02\x01\x03tcp\x05wrong\x05\x01\x00" + place, "\x04\x01", "",
		"\x05\x01\x02\x01\x03tcp\x06shared\x05\x01\x00" + place, "\x05\x01\x02\x01\x04http\x06shared\x05\x01\x00" + place, "\x05\x01\x02\x01\x04http\x00\x05\x01\x00" + place,
		words(ForTCP, p.gate.shared.token), // it is good for HTTP clients alone
	} {
		require.False(t, say(words), "a connection was made for %q", words)
		require.Zero(t, accepted(), "%q", words)
	}
	p.Close()
	_, err = net.Dial("tcp", gate)
	require.ErrorContains(t, err, "refused")
}

// The one client that rclone shares between remotes may do what all open remotes may, and no more.
func TestSharedClientIsChecked(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	free, err := NewPass(Hosts{})
	require.NoError(t, err)
	defer free.Close()
	conn, err := dial(t.Context(), ForHTTP, "127.0.0.1", victim, free.gate.shared.Permits)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	strict, err := NewPass(Hosts{Own: at(victim)})
	require.NoError(t, err)
	require.Same(t, free.gate, strict.gate)
	accepted()
	_, err = dial(t.Context(), ForHTTP, "127.0.0.1", victim, free.gate.shared.Permits)
	require.ErrorIs(t, err, ErrForbidden)
	require.Zero(t, accepted())
	strict.Close()
	conn, err = dial(t.Context(), ForHTTP, "127.0.0.1", victim, free.gate.shared.Permits)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func at(addresses ...string) storage.Addresses {
	return func(context.Context) []string { return addresses }
}
