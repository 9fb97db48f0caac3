package rclone

import (
	"context"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rclone/rclone/fs/config/configmap"

	"stasis/dbserver/transfer/rclone/egress"
	"stasis/internal/failpoint"
)

// route sends a backend that is no HTTP client to the gate, too.
func (o *opening) route(ctx context.Context, s *section, values configmap.Simple) error {
	switch s.info.Name {
	case "sftp", "ftp":
		if values["ssh"] == "" && values["socks_proxy"] == "" && values["http_proxy"] == "" { // of the operator
			values["socks_proxy"] = o.pass.Proxy(egress.ForTCP)
		}
	case "smb":
		return o.pin(ctx, values)
	case "azureblob": // it has rclone's shared client, whose failures belong to no remote
		for _, value := range []string{values["endpoint"], values["sas_url"], values["connection_string"]} {
			if err := o.lookAhead(ctx, value); err != nil {
				return err
			}
		}
	}
	return nil
}

var urlIn = regexp.MustCompile(`(?i)\b(https?)://(?:[^/?#;@]*@)?([^/?#;]+)`)

// lookAhead refuses what the gate will refuse, so that Open returns the reason.
func (o *opening) lookAhead(ctx context.Context, value string) error {
	ctx, cancel := context.WithTimeout(ctx, egress.ConnectTimeout)
	defer cancel()
	for _, found := range urlIn.FindAllStringSubmatch(value, -1) {
		name, port, err := net.SplitHostPort(found[2])
		if err != nil {
			name, port = strings.Trim(found[2], "[]"), map[bool]string{true: "443", false: "80"}[strings.EqualFold(found[1], "https")]
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return refusal("a URL in the configuration has a port that is no number")
		}
		addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err != nil {
			continue // the connection will fail and say why
		}
		for _, a := range addresses {
			if err := o.pass.Permits(ctx, name, netip.AddrPortFrom(a, uint16(number))); err != nil {
				return err
			}
		}
	}
	return nil
}

// pin looks up the host of a backend that supports no proxy, checks its addresses, and gives
// the backend one of them. The backend makes no other connection.
func (o *opening) pin(ctx context.Context, values configmap.Simple) error {
	port := 445
	if text := values["port"]; text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return refusal("option \"port\": want a number from 1 to 65535")
		}
		port = int(n)
	}
	ctx, cancel := context.WithTimeout(ctx, egress.ConnectTimeout)
	defer cancel()
	host := strings.Trim(values["host"], "[]")
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, a := range found {
		if err := o.pass.Permits(ctx, host, netip.AddrPortFrom(a, uint16(port))); err != nil && !failpoint.Off("pinned-host-is-checked") {
			return err
		}
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() }) // IPv4 first
	if values["host"] = found[0].Unmap().String(); !found[0].Unmap().Is4() {
		values["host"] = "[" + values["host"] + "]"
	}
	return nil
}
