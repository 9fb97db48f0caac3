// Package fault breaks what a cluster stands on.
package fault
