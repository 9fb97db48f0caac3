// Command bench compares the agency with etcd: three members of each as processes
// on the same disk, in the same run, asked by the same number of clients.
//
// It is a module of its own, so that etcd and what it needs stay out of the
// module of Stasis. etcd is built from its released module by the package
// below this one (bench/etcd holds nothing but a call of its main).
//
// The lanes: etcd asked by its official client (gRPC over HTTP/2, all clients on
// the number of connections given by -conns); etcd-http, another three members of
// it, asked through its JSON gateway; stasis and stasis-bolt, the agency with
// raft-wal (the default, votes in raft-boltdb) and with raft-boltdb alone. The last three are asked by the same
// load: HTTP/1.1 with keep-alive, one connection for each client. All are asked at
// their leader, which is the best case of all. Values have 256 bytes, keys are
// taken in turn from 10,000.
//
// The load runs on the same machine as the servers and takes its part of the
// processors: the last columns tell how much of them the members and the load used
// for one answer. Figures of different runs cannot be compared, ratios within a
// run can: all systems run, they take turns load by load and round after round, and
// the medians are shown.
package main
