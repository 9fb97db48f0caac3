// Package director plays a scenario in a world: it starts the load, does what the scenario says when it says,
// heals, lets the checkers judge, and gives the verdict.
//
// A run has these phases:
//
//  1. The load begins. Each step of the scenario waits for its moment: a time, the end of an operation, or a step of an
//     operation. An operation that reaches such a step is held there until the actions are done, so a fault is there
//     when the operation goes on.
//  2. When no step can come any more, everything is healed: holds end, faults are taken back, what is paused is
//     resumed, what is dead is started. A step whose moment has not come is a fault that missed.
//  3. What is left of operations has to go away; each coordinator has to store a document; a new backup has to succeed.
//  4. The load stops. Each backup is opened from its pieces and judged, and then the running cluster is.
//  5. One backup is restored, the load goes on from it, and the cluster is judged again.
//
// # Verdicts
//
// A run is violated if a check or an expectation does not hold, or if a server that is restarted does not come back although nothing is
// broken. It is vacuous if nothing is violated but an action was never done, or
// a fault was never met, or missed the step that it aimed at, or a change of the structure was refused each time. So it is if no
// operation of the load straddled one of the scenario's own backups: had begun before it had returned and ended after it was asked
// for. Only such operations can show that a backup is no instant.
//
// What a step of the scenario does is at the moment of the step while the operation is held there. An operation goes on by itself when its
// own time is over, or when the process that is held ends; what the step does then is done, and counts as having missed its moment.
//
// Of each backup the verdict has how many operations straddled it, and how many its cut: were in flight while its gates were asked for or
// held. Their sums are those of the scenario's own backups. If fewer than 100 straddled the cuts, or if none of those backups has
// succeeded, or if there is no load, the verdict says so.
//
// A run is broken if it could not be made: the cluster does not start, the lab cannot do what the scenario says, a client of the load
// ends by itself, or the context of the run ends. That is no violation. One that was found before stays in the verdict.
//
// # Time
//
// The package uses the standard library's time. In a bubble of testing/synctest all waits are virtual, and no mutex is
// held over one. [Play] leaves no goroutine.
//
// The package is experimental: names may change until the fault lab is finished.
package director
