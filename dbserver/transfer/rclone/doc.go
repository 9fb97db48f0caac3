// Package rclone is the only user of rclone: it makes a storage.Remote of any storage that
// rclone knows, with rclone as a library.
//
// The configuration comes with each call of Open, and is checked against a list of what a
// request may say (options.go, policy.go). It goes into an option map of that one backend.
// It does not go into rclone's configuration file (none is opened), into the environment
// (which is not read either), or into the settings of the context or the process. A
// wrapper such as crypt refers to another section of the same configuration, which rclone
// gets by a random name (inner.go). Remotes that the operator has defined are used by
// their name (named.go, operator.go). Package egress checks every connection. The local
// disk is not rclone's here (folder.go).
//
// What rclone logs is discarded, since it may contain anything. Its errors come back as a
// status and a short line (explain.go), with every value of the configuration blacked out
// that is not known to be harmless (scrub.go).
package rclone
