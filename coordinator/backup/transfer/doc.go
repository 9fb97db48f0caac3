// Package transfer runs uploads and downloads of backups from a coordinator.
//
// A transfer is a job in the agency (Target/HotBackup/TransferJobs/<id>) with one entry for every
// DB server, and without credentials. Start records it. A dispatcher then finds out which server
// has which piece, or for a download matches the servers as a restore will. It assigns each server
// its part, together with the remote's configuration. The configuration is in memory only: here
// until the job is over, and in the servers. A server that is started again gets its part again.
//
// If the coordinator dies, servers that have the configuration go on. Sweep, which every
// coordinator runs, ends the parts that no server can complete.
//
// The coordinator does not open remotes: a DB server checks each request before Start records a
// job.
package transfer
