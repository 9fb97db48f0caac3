// Package egress decides where the connections of remotes may go.
//
// rclone has no hook where it connects. All of its HTTP clients, and SFTP and FTP, can be
// given a SOCKS proxy, however. This process therefore runs one on loopback while a remote
// is open, the gate: every connection of a remote passes it and is checked with its
// address. Each remote has a Pass, with a password of its own for the gate.
//
// Hosts is the rule. The gate asks it with the address that it is about to connect to,
// after the name has been looked up: a name that changes its address between a check and
// a connection, or a redirect, changes nothing.
package egress
