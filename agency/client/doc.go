// Package client is how servers talk to the agency.
package client
