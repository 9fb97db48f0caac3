package api

import (
	"fmt"
	"net"
	"strings"
)

// endpointAddress is the "host:port" of an endpoint, with or without a scheme.
func endpointAddress(endpoint string) (string, error) {
	_, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		address = endpoint
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || port == "0" {
		return "", fmt.Errorf("%q is no endpoint", endpoint)
	}
	return address, nil
}
