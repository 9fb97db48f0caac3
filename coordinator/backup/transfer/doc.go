// Package transfer runs uploads and downloads of backups from a coordinator.
//
// A transfer is a job in the agency (Target/HotBackup/TransferJobs/<id>) with one entry for
// every DB server, and no credentials. Start records it. A dispatcher then finds out which
// server has which piece, or for a download matches the servers as a restore will, and
// assigns each server its part, together with the remote's configuration. The
// configuration is kept in memory only: here until the job is over, and by the servers.
// A server that is started again is assigned its part again.
//
// If the coordinator dies, servers that have the configuration go on. Sweep, which every
// coordinator runs, ends the parts that no server can finish.
//
// The coordinator knows no remote: a DB server checks each request before there is a job.
package transfer
