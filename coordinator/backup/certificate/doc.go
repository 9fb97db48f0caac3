// Package certificate has the evidence that a backup is one instant, and checks it. The check
// needs no cluster: Problems, PieceProblems and PlanProblems use only a Certificate, the pieces and
// the stored Plan, and can be repeated at any time.
//
// The argument: on every server the gate was granted before From (the coordinator had the answer).
// The cut is between From and To (it was asked for after From, and its answer arrived before To).
// The gate was released after To (the release was asked for after To), and the server states that
// it held the gate without a break. So all gates were held together over [From, To], no write was
// in flight in this interval, and every cut is in it.
package certificate
