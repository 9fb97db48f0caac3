// Package certificate is the evidence that a backup is one instant, and the check of it.
// The check needs no cluster and no server: whoever has the certificate, or the pieces of a
// backup, can repeat it at any time.
//
//	c, err := certificate.Parse(raw) // CERTIFICATE.json of a piece, or a client's VerifyResult
//	if err != nil { … }
//	if err := c.Check(nil); err != nil { … } // what does not hold
//
// Check compares a Certificate with the pieces it was made for, Examine finds the
// certificate in the pieces first, and PlanProblems compares it with the stored Plan.
//
// The argument: on every server the gate was granted before From (the coordinator had the
// answer). The cut lies between From and To (asked for after From, answered before To).
// The gate was released after To (asked for after To), and the server says that it had
// held it without a break. So all gates were held together over [From, To], no write was
// in flight anywhere in it, and every cut is in it.
package certificate
