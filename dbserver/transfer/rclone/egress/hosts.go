package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"stasis/dbserver/transfer/storage"
)

// Hosts says where the connections of remotes may go: anywhere but to link-local and
// similar addresses, the metadata services of machines, and the cluster's own ports.
type Hosts struct {
	More []Host            // that are allowed in spite of the rule
	Own  storage.Addresses // of the cluster; nil: not known
}

// Host is an entry of --backup.remote-hosts: a name, an address or a network, perhaps
// with a port.
type Host struct {
	name   string
	prefix netip.Prefix // instead of a name
	port   uint16       // 0: all
}

// ParseHost reads HOST, HOST:PORT, ADDRESS, [ADDRESS]:PORT or NETWORK/BITS.
func ParseHost(text string) (Host, error) {
	var h Host
	name := strings.TrimSpace(text)
	if prefix, err := netip.ParsePrefix(name); err == nil {
		return Host{prefix: prefix.Masked()}, nil
	}
	if at, port, err := net.SplitHostPort(name); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return h, fmt.Errorf("%q: want a port from 1 to 65535", text)
		}
		name, h.port = at, uint16(n)
	}
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		addr = addr.Unmap().WithZone("")
		h.prefix = netip.PrefixFrom(addr, addr.BitLen())
		return h, nil
	}
	if h.name = strings.ToLower(name); h.name == "" || strings.ContainsAny(name, "/: ") {
		return h, fmt.Errorf("%q: want HOST, HOST:PORT, an address or a network such as 10.0.0.0/8", text)
	}
	return h, nil
}

// allowsMore says whether an entry allows a connection. name is what was looked up,
// perhaps an address.
func (h Hosts) allowsMore(name string, at netip.AddrPort) bool {
	return slices.ContainsFunc(h.More, func(m Host) bool {
		if m.port != 0 && m.port != at.Port() {
			return false
		}
		return m.name != "" && m.name == strings.ToLower(strings.TrimSuffix(name, ".")) || m.prefix.IsValid() && m.prefix.Contains(at.Addr())
	})
}

// ErrForbidden is returned for a connection that the rule forbids.
var ErrForbidden = errors.New("a remote may not be there")

// permits returns nil if a remote may connect to the address. name is what was looked up.
func (h Hosts) permits(ctx context.Context, name string, at netip.AddrPort) error {
	addr := at.Addr().Unmap().WithZone("")
	at = netip.AddrPortFrom(addr, at.Port())
	if h.allowsMore(name, at) {
		return nil
	}
	reached := []netip.Addr{addr}
	if inside := embedded(addr); inside.IsValid() {
		reached = append(reached, inside)
	}
	for _, a := range reached {
		if what := special(a); what != "" {
			return fmt.Errorf("%w: %s is %s (--backup.remote-hosts allows more)", ErrForbidden, at, what)
		}
	}
	if h.Own == nil {
		return nil
	}
	for _, member := range h.Own(ctx) {
		for _, a := range reached {
			same, err := isAt(ctx, member, netip.AddrPortFrom(a, at.Port()))
			if err != nil {
				return fmt.Errorf("%w: it cannot be told whether %s is this cluster's own: %w", ErrForbidden, at, err)
			}
			if same {
				return fmt.Errorf("%w: %s is a port of this cluster (--backup.remote-hosts allows more)", ErrForbidden, at)
			}
		}
	}
	return nil
}

// metadata are the services that give a machine its credentials and are not link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"), netip.MustParseAddr("168.63.129.16"),
}

// special says what is special about an address where no remote is.
func special(a netip.Addr) string {
	switch {
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return "no address of a host"
	case slices.Contains(metadata, a):
		return "the metadata service of a machine"
	}
	return ""
}

// embedded is the IPv4 address inside of an IPv6 address that leads to it: NAT64,
// 6to4, and the old compatible form. Not valid if there is none.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("::/96").Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}

// isAt says whether a server of the cluster, host:port, has an address. It looks the
// server's name up only if the port is the same.
func isAt(ctx context.Context, member string, at netip.AddrPort) (bool, error) {
	name, port, err := net.SplitHostPort(member)
	if err != nil || port != strconv.Itoa(int(at.Port())) {
		return false, nil // no address that could be connected to, or another port
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return false, fmt.Errorf("look up %s: %w", name, err)
	}
	here, err := isHere(at.Addr())
	if err != nil {
		return false, err
	}
	for _, a := range found {
		a = a.Unmap().WithZone("")
		if a == at.Addr() {
			return true, nil
		}
		if too, err := isHere(a); err != nil || here && too {
			return err == nil, err // the same machine under another address
		}
	}
	return false, nil
}

// isHere says whether an address is this machine's.
func isHere(a netip.Addr) (bool, error) {
	if a.IsLoopback() || a.IsUnspecified() {
		return true, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("list this machine's addresses: %w", err)
	}
	return slices.ContainsFunc(all, func(i net.Addr) bool {
		n, ok := i.(*net.IPNet)
		if !ok {
			return false
		}
		mine, ok := netip.AddrFromSlice(n.IP)
		return ok && mine.Unmap() == a
	}), nil
}
