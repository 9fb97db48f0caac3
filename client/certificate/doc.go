// Package certificate is the evidence that a backup is one instant, and the check of it.
// The check needs no cluster and no server: with the certificate, or the pieces of a backup, it
// can be repeated at any time.
//
//	c, err := certificate.Parse(raw) // CERTIFICATE.json of a piece, or a client's VerifyResult
//	if err != nil { … }
//	if err := c.Check(nil); err != nil { … } // what does not hold
//
// Check compares a Certificate with the pieces it was made for, Examine finds the
// certificate in the pieces first, and PlanProblems compares it with the stored Plan.
//
// A certificate may be signed with a key of the cluster that made the backup. CheckSignature and
// Trust say whether one of a set of public keys has signed it; nothing in a backup helps to make
// another that they accept:
//
//	keys, err := certificate.ParsePublicKeys(text) // of "stasis key show", kept elsewhere
//	…
//	if _, err := certificate.CheckSignature(raw, keys...); err != nil { … }
//
// The argument: on every server the gate was granted before From (the coordinator had the answer).
// The cut is between From and To (it was asked for after From, and its answer arrived before To).
// The gate was released after To (the release was asked for after To), and the server states that
// it held the gate without a break. So all gates were held together over [From, To], no write was
// in flight in this interval, and every cut is in it.
package certificate
