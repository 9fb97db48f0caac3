// Package scenario reads scenarios of the fault lab: ten lines of YAML that say which cluster, which load,
// what is done and what is expected.
//
//	cluster: {agents: 3, dbservers: 3, coordinators: 2, latency: 0.1ms..1ms}
//	load: [bank: {clients: 4, accounts: 8, shards: 6, replication: 2, pace: 20ms}]
//	do:
//	  - at 1s: [backup a on coordinator-1, backup b on coordinator-2]
//	  - when a|b is "cut" on dbserver-2: cut its coordinator <-> dbserver-2
//	  - after both: heal
//	expect: [exactly one of a b, one instant, nothing left within 20s, longest write < 8s]
//
// The sentences in it have a small grammar of their own. Tables say which there are: [Whens], [Actions],
// [Expectations], [Servers], [Kinds], and the fields of the YAML. The parser, its errors, the [Schema] and the
// [Reference] all come from these tables, so what is written in one place is true in all.
//
// [Parse] checks everything that can be known without a cluster: names of servers, operations and steps,
// and bounds. What a scenario asks of the world that it runs in is in [Requires].
//
// The package is experimental: names may change until the fault lab is finished.
package scenario
