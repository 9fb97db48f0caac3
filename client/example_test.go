package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/event"
)

// Documents are stored, read and changed; a revision keeps a change from overwriting another.
func Example() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.EnsureDatabase(ctx, "shop"); err != nil {
		log.Fatal(err)
	}
	db := c.Database("shop")
	if err := db.EnsureCollection(ctx, "orders", client.Layout{Shards: 1}); err != nil {
		log.Fatal(err)
	}

	type order struct {
		Key   string `json:"_key"`
		Total int    `json:"total"`
	}
	first, err := db.Insert(ctx, "orders", order{"1", 42})
	if err != nil {
		log.Fatal(err)
	}
	_, err = db.Insert(ctx, "orders", order{"1", 43})
	fmt.Println("inserted again:", errors.Is(err, client.ErrExists))

	if _, err := db.Update(ctx, client.Ref{Collection: "orders", Key: "1"}, map[string]int{"total": 50}); err != nil {
		log.Fatal(err)
	}
	_, err = db.Replace(ctx, client.Ref{Collection: "orders", Key: "1", Rev: first.Rev}, order{"1", 60})
	fmt.Println("replaced an old revision:", errors.Is(err, client.ErrConflict))

	var now order
	if err := db.Read(ctx, client.Ref{Collection: "orders", Key: "1"}, &now); err != nil {
		log.Fatal(err)
	}
	fmt.Println("total:", now.Total)
	err = db.Read(ctx, client.Ref{Collection: "orders", Key: "2"}, &now)
	fmt.Println("no such order:", errors.Is(err, client.ErrNotFound))
	// Output:
	// inserted again: true
	// replaced an old revision: true
	// total: 50
	// no such order: true
}

// A backup is taken and verified; its certificate is checked here once more, without trust in
// the servers.
func ExampleBackups_Create() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	made, err := c.Backups().Create(ctx, client.CreateRequest{Label: "nightly"})
	if err != nil {
		log.Fatal(err)
	}
	verified, err := c.Backups().Verify(ctx, made.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("intact:", verified.Intact)
	fmt.Println("one instant:", verified.Certificate.Check(nil) == nil)

	list, err := c.Backups().List(ctx, made.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("available:", list.List[made.ID].Available)
	if _, err := c.Backups().Delete(ctx, made.ID); err != nil {
		log.Fatal(err)
	}
	_, err = c.Backups().Verify(ctx, made.ID)
	fmt.Println("deleted:", errors.Is(err, client.ErrNotFound))
	// Output:
	// intact: true
	// one instant: true
	// available: true
	// deleted: true
}

// A restore brings back what was there, all or nothing, and keeps the state before it.
func ExampleBackups_Restore() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	db := c.Database("")
	if err := db.EnsureCollection(ctx, "notes", client.Layout{Shards: 1}); err != nil {
		log.Fatal(err)
	}
	lines := strings.NewReader(`{"_key":"a","text":"kept"}` + "\n" + `{"_key":"b","text":"kept"}` + "\n")
	if _, err := db.Import(ctx, "notes", client.DuplicateReplace, lines); err != nil {
		log.Fatal(err)
	}
	made, err := c.Backups().Create(ctx, client.CreateRequest{})
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Truncate(ctx, "notes"); err != nil {
		log.Fatal(err)
	}
	restored, err := c.Backups().Restore(ctx, client.RestoreRequest{ID: made.ID})
	if err != nil {
		log.Fatal(err)
	}
	n := 0
	err = db.Documents(ctx, "notes", func(json.RawMessage) error { n++; return nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("notes:", n)
	fmt.Println("the state before is kept:", restored.Previous != "")
	// Output:
	// notes: 2
	// the state before is kept: true
}

// The steps of a backup can be followed, also from another program than the one that takes it.
func ExampleClient_Steps() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	made, err := c.Backups().Create(ctx, client.CreateRequest{Label: "steps"})
	if err != nil {
		log.Fatal(err)
	}
	err = c.Steps(ctx, client.Follow{Last: -1}, func(e event.Event) error {
		if e.ID == made.ID && (e.Step == event.CutDone || e.Step == event.Committed) {
			fmt.Println(e.Step)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// cut
	// committed
}

// A label is checked before it is sent.
func ExampleCheckLabel() {
	fmt.Println(client.CheckLabel("before-lunch"))
	fmt.Println(errors.Is(client.CheckLabel("a/b"), client.ErrInvalid))
	// Output:
	// <nil>
	// true
}

// A certificate that was altered does not prove anything.
func ExampleCertificate() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	made, err := c.Backups().Create(ctx, client.CreateRequest{Label: "proof"})
	if err != nil {
		log.Fatal(err)
	}
	verified, err := c.Backups().Verify(ctx, made.ID)
	if err != nil {
		log.Fatal(err)
	}
	altered := *verified.Certificate
	altered.Instant.From = altered.Instant.To + 1
	fmt.Println(errors.Is(altered.Check(nil), certificate.ErrUnproven))
	// Output:
	// true
}

// Money is moved between two accounts: both change, or none.
func ExampleDatabase_Begin() {
	ctx := context.Background()
	c, err := client.New(endpoint, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	db := c.Database("")
	if err := db.EnsureCollection(ctx, "accounts", client.Layout{Shards: 3}); err != nil {
		log.Fatal(err)
	}
	type account struct {
		Key     string `json:"_key"`
		Balance int    `json:"balance"`
	}
	for _, a := range []account{{"a", 10}, {"b", 0}} {
		if err := db.Put(ctx, "accounts", a); err != nil {
			log.Fatal(err)
		}
	}
	t, err := db.Begin(ctx, client.TransactionOptions{Write: []string{"accounts"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range []account{{"a", -4}, {"b", 4}} {
		ref := client.Ref{Collection: "accounts", Key: change.Key}
		var was account
		if err := t.Database().Read(ctx, ref, &was); err != nil {
			log.Fatal(err)
		}
		if _, err := t.Database().Update(ctx, ref, map[string]int{"balance": was.Balance + change.Balance}); err != nil {
			log.Fatal(err) // ErrConflict: another transaction was faster; abort this one and begin again
		}
	}
	var outside account
	if err := db.Read(ctx, client.Ref{Collection: "accounts", Key: "b"}, &outside); err != nil {
		log.Fatal(err)
	}
	fmt.Println("before the commit:", outside.Balance)
	if err := t.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	if err := db.Read(ctx, client.Ref{Collection: "accounts", Key: "b"}, &outside); err != nil {
		log.Fatal(err)
	}
	state, err := t.State(ctx)
	fmt.Println("after it:", outside.Balance, state == client.TransactionCommitted, err)

	t, err = db.Begin(ctx, client.TransactionOptions{Exclusive: []string{"accounts"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Abort(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = t.Database().Insert(ctx, "accounts", account{"c", 1})
	fmt.Println("after an abort:", errors.Is(err, client.ErrAborted))
	// Output:
	// before the commit: 0
	// after it: 4 true <nil>
	// after an abort: true
}
