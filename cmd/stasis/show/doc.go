// Package show turns what servers answer into text for people: tables, lines, reports. It
// asks nothing and reads no flags.
package show
