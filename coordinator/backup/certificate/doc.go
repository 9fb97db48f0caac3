// Package certificate is the evidence that a backup is one instant, and the check of it.
// The check needs no cluster: Problems, PieceProblems and PlanProblems look at a
// Certificate, the pieces and the stored Plan alone, and can be repeated at any time.
//
// The argument: on every server the gate was granted before From (the coordinator had the
// answer). The cut lies between From and To (asked for after From, answered before To).
// The gate was released after To (asked for after To), and the server says that it had
// held it without a break. So all gates were held together over [From, To], no write was
// in flight anywhere in it, and every cut is in it.
package certificate
