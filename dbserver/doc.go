// Package dbserver is one DB server: its life, its HTTP interface and its
// following of Plan.
package dbserver
