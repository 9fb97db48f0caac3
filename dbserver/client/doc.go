// Package client is the wire between coordinators and a DB server, and between DB servers:
// request and answer types, paths, and a typed HTTP client. The server imports the types from
// here, so both ends are read side by side.
//
// All requests are POST with JSON bodies below [PathPrefix]. Requests that touch data or backups
// carry the restore epoch in the header [EpochHeader]; a server refuses another epoch than its
// own with apierror.WrongEpoch. Listing, and what undoes (gate/release, backup/drop,
// restore/drop), is answered whatever the epoch, and while the data is shut. Durations are
// seconds.
//
// After a refusal (ShardGone, WrongEpoch, StartingUp, ShuttingDown, ServiceUnavailable)
// nothing was applied. After ConnectionLost and Internal the outcome is unknown.
package client
