// Package balance computes which shards to move so that DB servers lead equally many shards
// and have equally many replicas. It is pure: a function of a placement and of what may be
// done.
//
// Leadership alone moves first, along chains of shards whose followers can take over. This is
// how an optimal semi-matching is found (Harvey, Ladner, Lovász and Tamir, "Semi-matchings for
// bipartite graphs and load balancing", 2003). Then data moves: one replica from the server
// with the most to the one with the fewest, followers rather than leaders.
//
// Every move makes the sum of the squares of what the servers lead smaller, or leaves it and
// makes that of their replicas smaller. So the moves come to an end, and a balanced placement
// stays as it is.
package balance
