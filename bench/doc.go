// Command bench compares the agency with etcd: three members of each as processes
// on the same disk, in the same run, asked by the same number of clients.
//
// It is a module of its own, so that etcd and what it needs stay out of the
// module of Stasis. etcd is built from its released module by the package
// below this one (bench/etcd holds nothing but a call of its main).
//
// etcd is asked as its official client does: gRPC over HTTP/2, all clients on
// the number of connections given by -conns. The agency is asked over
// HTTP/1.1 with keep-alive, one connection for each client. Both are asked at
// their leader, which is the best case of both. Values have 256 bytes, keys are
// taken in turn from 10,000.
//
// The load runs on the same machine as the servers and takes its part of the
// processors. Figures of different runs cannot be compared, ratios within a run
// can: systems take turns, round after round, and the medians are shown.
package main
