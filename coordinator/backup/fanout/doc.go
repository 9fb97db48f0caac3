// Package fanout asks all DB servers of a cluster at once and waits for every answer. The caller
// passes the request as a function.
//
// Ask collects answers; Tell is for requests without one. An error always names its server by both
// its names: a memberError does so itself, any other error gets the name in front.
// [WhileItProgresses] bounds long work by its progress instead of its time.
package fanout
