// Package fanout asks all DB servers of a cluster at once and waits for every answer. It
// knows how to ask, not what: the caller passes the request as a function.
//
// Ask collects answers, Tell is for requests without one. An error always names its
// server, by both its names: Silent, Stalled and others are MemberErrors, and any other
// error gets the name in front. WhileItProgresses bounds long work by progress, not by
// time.
package fanout
