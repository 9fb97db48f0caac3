package demo

import (
	"context"
	"fmt"
	"io"
	"sync"

	"stasis/client"
	"stasis/lab/workload"
)

func (d *demo) fill(ctx context.Context) error {
	d.title("Data")
	if err := d.clients[0].EnsureDatabase(ctx, database); err != nil {
		return err
	}
	if err := d.db(0).CreateCollection(ctx, peopleCollection, 2*d.opts.Cluster.DBServers); err != nil {
		return err
	}
	r, w := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { w.CloseWithError(writePeople(w, d.opts.People)) })
	res, err := d.db(0).Import(ctx, peopleCollection, client.DuplicateError, r)
	r.CloseWithError(err)
	wg.Wait()
	if err != nil {
		return err
	}
	if res.Created != int64(d.opts.People) {
		return fmt.Errorf("import: %d of %d people created, %d errors", res.Created, d.opts.People, res.Errors)
	}
	if d.people.count, d.people.sum, err = workload.Sum(ctx, d.db(1), peopleCollection); err != nil {
		return err
	}
	d.say("%d people in %d shards, checksum %s", d.people.count, 2*d.opts.Cluster.DBServers, d.people.sum)
	return nil
}

type intruder struct {
	Key string `json:"_key"`
}

func (d *demo) wreck(ctx context.Context) error {
	d.title("A disaster")
	writers := d.clients[0].Database("")
	if err := writers.DropCollection(ctx, accounts); err != nil {
		return err
	}
	if err := d.db(1).Truncate(ctx, peopleCollection); err != nil {
		return err
	}
	if err := writers.Put(ctx, journal, intruder{"intruder"}); err != nil {
		return err
	}
	d.say("dropped %s, emptied %s, put an intruder into %s", accounts, peopleCollection, journal)
	return nil
}
