package documents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"stasis/coordinator/bulk"
	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// An import is sent in batches of at most so many documents, or bytes of them.
const (
	importDocuments = 1000
	importBytes     = 8 << 20
)

// Imports answers POST /_api/import. All fields are required.
type Imports struct {
	Catalog   *catalog.Catalog
	Router    Router
	LineBytes int // limit of one line of the body
}

// Routes returns the path that Imports answers.
func (im *Imports) Routes() []rest.Route {
	return []rest.Route{{Method: "POST", Pattern: "/_api/import", Handler: im.serve, Transaction: rest.Joins}}
}

func (im *Imports) serve(c *rest.Call) error {
	o, err := readImportOptions(c)
	if err != nil {
		return err
	}
	q, err := newRequest(im.Catalog, c, o.collection)
	if err != nil {
		return err
	}
	q.returnNew, q.returnOld, q.rules.OverwriteMode = false, false, o.onDuplicate
	if o.overwrite {
		if err := im.Router.Truncate(c.R.Context(), q.ref, q.waitForSync); err != nil {
			return err
		}
	}
	i := &importer{q: q, catalog: im.Catalog, router: im.Router, options: o, batch: q.newBatch(), memory: memory{account: c.Account()}, outcome: outcome{withDetails: o.details}}
	body, err := c.Stream()
	if err != nil {
		return err
	}
	r, err := bulk.NewReader(body, bulk.Options{
		Format: o.format, MaxBytes: im.LineBytes, IgnoreMissing: o.ignoreMissing,
		Hold: func(bytes int) error { return i.memory.take(costOf(0, bytes)) },
	})
	if err != nil {
		return err
	}
	if err := i.readAll(c.R.Context(), r); err != nil {
		return err
	}
	return c.Answer(http.StatusCreated, i.outcome.body())
}

// importer is one import.
type importer struct {
	q       *request
	catalog *catalog.Catalog
	router  Router
	options importOptions

	batch     batch
	positions []int    // in the body, by operation
	texts     []string // of the documents, for messages
	bytes     int      // of the documents
	memory    memory
	outcome   outcome
}

func (i *importer) readAll(ctx context.Context, r *bulk.Reader) error {
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return i.flush(ctx)
		}
		if err != nil {
			return errors.Join(i.stopped(err), i.flush(ctx))
		}
		if err := i.add(ctx, item); err != nil {
			return err
		}
		if len(i.batch.ops) == 0 {
			i.memory.release()
		}
		if len(i.batch.ops) >= importDocuments || i.bytes >= importBytes {
			if err := i.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// stopped adds to the error of an import for which there is no memory how far it came: a part
// of it may have been imported.
func (i *importer) stopped(err error) error {
	n := i.outcome.imported() + len(i.batch.ops)
	if !errors.Is(err, apierror.ResourceLimit) || n == 0 {
		return err
	}
	return fmt.Errorf("import stopped after %d documents: %w", n, err)
}

// add makes an operation of an item. Its error ends the import.
func (i *importer) add(ctx context.Context, item bulk.Item) error {
	if item.Empty {
		i.outcome.Empty++
		return nil
	}
	var op document.Operation
	err := item.Err
	if err == nil {
		op, err = i.operation(ctx, item.Document)
	}
	if errors.Is(err, apierror.AgencyFailed) {
		return err
	}
	if err != nil {
		if i.options.complete { // the documents before it are imported first
			if ferr := i.flush(ctx); ferr != nil {
				return ferr
			}
		}
		return i.failed(item.Position, apierror.From(err), item.Text)
	}
	if err := i.memory.take(costOfDocument); err != nil {
		return errors.Join(i.stopped(err), i.flush(ctx))
	}
	i.batch.add(op, nil)
	i.positions, i.texts = append(i.positions, item.Position), append(i.texts, item.Text)
	i.bytes += len(op.Document)
	return nil
}

func (i *importer) operation(ctx context.Context, raw json.RawMessage) (document.Operation, error) {
	body, err := document.ParseBody(raw)
	if err != nil {
		return document.Operation{}, err
	}
	if err := i.options.addPrefixes(body); err != nil {
		return document.Operation{}, err
	}
	return i.q.rules.InsertBody(ctx, body)
}

// flush sends the batch.
func (i *importer) flush(ctx context.Context) error {
	if len(i.batch.ops) == 0 {
		return nil
	}
	results, _, err := i.batch.send(ctx, i.router, i.q, route.Bounds{})
	if err != nil { // earlier batches may be imported
		return fmt.Errorf("import stopped at position %d: %w", i.positions[0], err)
	}
	for n, r := range results {
		switch err := i.batch.errs[n]; {
		case err != nil && err.Status() == http.StatusServiceUnavailable:
			return fmt.Errorf("import stopped at position %d: %w", i.positions[n], err)
		case err != nil:
			if err := i.failed(i.positions[n], err, i.texts[n]); err != nil {
				return err
			}
		default:
			i.outcome.count(r)
		}
	}
	i.batch.clear()
	clear(i.texts)
	i.positions, i.texts, i.bytes = i.positions[:0], i.texts[:0], 0
	i.memory.release()
	return i.refresh()
}

// refresh takes the newest snapshot for the next batch: the collection may have been dropped,
// and keys belong to a restore epoch.
func (i *importer) refresh() error {
	snap := i.catalog.Cached()
	coll, err := snap.Find(i.q.ref.Database, i.q.coll.ID)
	if err != nil {
		return err
	}
	i.q.snap, i.q.coll, i.q.rules.NewKey, i.q.rules.ShardKeys = snap, coll, i.catalog.Keys(snap.Epoch), coll.SpreadBy()
	i.batch.placed = i.q.rules.ShardKeys != nil
	return nil
}

// failed notes an item that could not be imported, or returns the error that ends the import.
func (i *importer) failed(position int, err *apierror.Error, text string) error {
	if i.options.complete {
		return apierror.New(err.Num, "import stopped at position %d; the documents before it are imported, some of those after it may be: %w, offending document: %s",
			position, err, text).WithStatus(http.StatusConflict)
	}
	i.outcome.fail(fmt.Sprintf("at position %d: %s (error %d), offending document: %s", position, document.Shorten(err.Message), err.Num, text))
	return nil
}
