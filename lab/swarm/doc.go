// Package swarm draws scenarios from seeds: the cluster, the load, the backups and the faults.
//
// A scenario that it draws stays within a budget of faults, so that the cluster has to survive it:
//
//   - A minority of the agents, and one DB server fewer than each shard has replicas, are victims. The others never fail.
//   - Of the coordinators one stays whole.
//   - A victim has one fault at a time.
//   - If a DB server can lose its power, writes are synced before they are acknowledged.
//   - Instead of all that, the whole cluster may lose its power at once; then nothing else fails.
//
// When the faults are over everything heals, and the cluster has to serve and to take a backup: the director of the lab checks
// that in every run. What is drawn is a [scenario.Scenario], and its Source is YAML that can be kept, shortened by hand and
// run again.
//
// The package is experimental: names may change until the fault lab is finished.
package swarm
