// Package client is the typed client of a coordinator's HTTP API, for programs inside and
// outside this module. The stasis command uses nothing else.
//
// It is experimental until the fault lab is done: names may change between versions.
//
// # Documents
//
// A Client talks to one coordinator. A program that wants to survive the loss of a
// coordinator makes one Client for each.
//
//	c, err := client.New("http://127.0.0.1:8529", client.Options{})
//	if err != nil { … }
//	if err := c.EnsureDatabase(ctx, "shop"); err != nil { … }
//	db := c.Database("shop")
//	if err := db.EnsureCollection(ctx, "orders", client.Layout{Shards: 3}); err != nil { … }
//	meta, err := db.Insert(ctx, "orders", map[string]any{"_key": "1", "total": 42})
//
// # Backups
//
//	made, err := c.Backups().Create(ctx, client.CreateRequest{Label: "nightly"})
//	if err != nil { … }
//	checked, err := c.Backups().Verify(ctx, made.ID)
//	if err != nil { … }
//	if !checked.Intact { … } // checked.Problems has the reasons
//	if err := checked.Certificate.Check(nil); err != nil { … } // repeats the check here
//
// A Certificate says how it is known that a backup is one instant. Package
// stasis/client/certificate checks it without a cluster, from the files of a backup.
//
// # Errors
//
// Where a coordinator answered, the error is an *Error with the HTTP status, the number and
// the message. Conditions are matched with errors.Is:
//
//	switch _, err := db.Insert(ctx, "orders", order); {
//	case errors.Is(err, client.ErrExists): // there is a document with this key
//	case errors.Is(err, client.ErrUnknownOutcome): // it may have been stored: look before you repeat
//	case errors.Is(err, client.ErrUnavailable): // try again later, or at another coordinator
//	}
//
// An error of a request that changes something matches [ErrUnknownOutcome] whenever it cannot
// be excluded that the change was made. Any other error means that it was not.
//
// # Use
//
// Any number of goroutines may use a Client and what comes from it. Every call ends with its
// context; a Client has no timeout of its own beside that of Options.HTTP. It starts no
// goroutine and needs no Close; the connections are those of Options.HTTP.
package client
