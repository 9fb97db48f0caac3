package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"stasis/coordinator/bulk"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// An import is sent in batches of so many documents, or so many bytes.
const (
	importDocuments = 1000
	importBytes     = 8 << 20
)

// maxDetails bounds the messages of an answer to an import; one more says how many there are.
const maxDetails = 1000

// intake is one import under way.
type intake struct {
	*work
	complete             bool // the first error ends it
	details              bool // what is wrong is told
	fromPrefix, toPrefix string

	positions []int    // of the operations in work
	texts     []string // of their documents, for messages
	size      int      // of their documents
	held      int64    // for what was read since the last flush
	outcome   importOutcome
}

// importOutcome is the answer to an import.
type importOutcome struct {
	Error   bool     `json:"error"`
	Created int      `json:"created"`
	Errors  int      `json:"errors"`
	Empty   int      `json:"empty"`
	Updated int      `json:"updated"`
	Ignored int      `json:"ignored"`
	Details []string `json:"-"`
}

func (a *api) importDocuments(c *rest.Call) error {
	in, err := a.newIntake(c)
	if err != nil {
		return err
	}
	if err := in.truncateIfAsked(); err != nil {
		return err
	}
	reader, err := in.reader()
	if err != nil {
		return err
	}
	if err := in.readAll(c.R.Context(), reader); err != nil {
		return err
	}
	return c.Answer(http.StatusCreated, in.answer())
}

// answer has the attribute details, be it empty, exactly if it was asked for.
func (in *intake) answer() any {
	o := in.outcome
	if !in.details {
		return o
	}
	told := append([]string{}, o.Details...)
	if more := o.Errors - len(told); more > 0 {
		told = append(told, fmt.Sprintf("%d more errors are not listed", more))
	}
	return struct {
		importOutcome
		Details []string `json:"details"`
	}{o, told}
}

func (a *api) newIntake(c *rest.Call) (in *intake, err error) {
	name := c.Query.Get("collection")
	if name == "" {
		return nil, apierror.New(apierror.BadParameter, "the parameter collection is missing")
	}
	c.Args = []string{name}
	w, err := a.newWork(c)
	if err != nil {
		return nil, err
	}
	in = &intake{work: w, fromPrefix: c.Query.Get("fromPrefix"), toPrefix: c.Query.Get("toPrefix")}
	w.returnNew, w.returnOld = false, false
	if w.rules.OverwriteMode, err = onDuplicate(c.Query.Get("onDuplicate")); err != nil {
		return nil, err
	}
	if in.complete, err = c.Flag("complete", false); err != nil {
		return nil, err
	}
	in.details, err = c.Flag("details", false)
	return in, err
}

func onDuplicate(v string) (dbclient.OverwriteMode, error) {
	switch v {
	case "", "error":
		return dbclient.OverwriteConflict, nil
	case "update", "replace", "ignore":
		return dbclient.OverwriteMode(v), nil
	}
	return "", apierror.New(apierror.BadParameter, "onDuplicate %q is unknown: error, update, replace or ignore", v)
}

func (in *intake) truncateIfAsked() error {
	overwrite, err := in.call.Flag("overwrite", false)
	if err != nil || !overwrite {
		return err
	}
	return in.api.router.Truncate(in.call.R.Context(), route.Ref{Database: in.call.DB, Name: in.call.Arg(0)}, in.waitForSync)
}

func (in *intake) reader() (*bulk.Reader, error) {
	ignoreMissing, err := in.call.Flag("ignoreMissing", false)
	if err != nil {
		return nil, err
	}
	body, err := in.call.Stream()
	if err != nil {
		return nil, err
	}
	format := bulk.Format(in.call.Query.Get("type"))
	return bulk.NewReader(body, bulk.Options{Format: format, MaxBytes: in.api.limits.LineBytes, IgnoreMissing: ignoreMissing, Hold: in.hold})
}

// hold takes the memory for so many bytes of the body, which are about to be documents.
func (in *intake) hold(bytes int) error { return in.take(costOf(0, bytes)) }

func (in *intake) take(bytes int64) error {
	err := in.call.Account().Take(bytes)
	if err == nil {
		in.held += bytes
	}
	return err
}

// release gives back what was held for documents that are done with.
func (in *intake) release() {
	in.call.Account().Give(in.held)
	in.held = 0
}

func (in *intake) readAll(ctx context.Context, r *bulk.Reader) error {
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return in.flush(ctx)
		}
		if err != nil {
			return errors.Join(in.stopped(err), in.flush(ctx))
		}
		if err := in.add(ctx, item); err != nil {
			return err
		}
		if len(in.ops) == 0 {
			in.release()
		}
		if len(in.ops) >= importDocuments || in.size >= importBytes {
			if err := in.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// stopped says of an import that could not be held in memory how far it came: it may have
// been imported in part.
func (in *intake) stopped(err error) error {
	if !errors.Is(err, apierror.ResourceLimit) || in.outcome.Created+in.outcome.Updated+in.outcome.Ignored+len(in.ops) == 0 {
		return err
	}
	return fmt.Errorf("import stopped after %d documents: %w", in.outcome.Created+in.outcome.Updated+in.outcome.Ignored+len(in.ops), err)
}

// add makes an operation of an item. Its error ends the import.
func (in *intake) add(ctx context.Context, item bulk.Item) error {
	if item.Empty {
		in.outcome.Empty++
		return nil
	}
	var op dbclient.Op
	generated, err := false, item.Err
	if err == nil {
		op, generated, err = in.operation(ctx, item.Document)
	}
	if errors.Is(err, apierror.AgencyFailed) {
		return err
	}
	if err != nil {
		if in.complete { // what stands before it comes first
			if ferr := in.flush(ctx); ferr != nil {
				return ferr
			}
		}
		return in.failed(item.Position, apierror.From(err), item.Text)
	}
	if err := in.take(costOfDocument); err != nil {
		return errors.Join(in.stopped(err), in.flush(ctx))
	}
	in.pinned = in.pinned || generated
	in.work.add(op, nil)
	in.positions, in.texts = append(in.positions, item.Position), append(in.texts, item.Text)
	in.size += len(op.Document)
	return nil
}

func (in *intake) operation(ctx context.Context, raw json.RawMessage) (dbclient.Op, bool, error) {
	body, err := document.ParseBody(raw)
	if err != nil {
		return dbclient.Op{}, false, err
	}
	if err := prefix(body, "_from", body.From, in.fromPrefix); err != nil {
		return dbclient.Op{}, false, err
	}
	if err := prefix(body, "_to", body.To, in.toPrefix); err != nil {
		return dbclient.Op{}, false, err
	}
	return in.rules.InsertBody(ctx, body)
}

// prefix puts the collection's name before a bare key in an edge's end.
func prefix(body *document.Body, name string, value *json.RawMessage, with string) error {
	var s string
	if with == "" || value == nil || json.Unmarshal(*value, &s) != nil || strings.Contains(s, "/") {
		return nil
	}
	raw, err := rest.Encode(strings.TrimSuffix(with, "/") + "/" + s)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	body.Set(name, raw)
	return nil
}

// flush applies what has been taken.
func (in *intake) flush(ctx context.Context) error {
	if len(in.ops) == 0 {
		return nil
	}
	results, _, err := in.run(ctx)
	if err != nil {
		return err
	}
	for i, r := range results {
		switch err := in.errs[i]; {
		case err != nil && err.Status() == http.StatusServiceUnavailable:
			return fmt.Errorf("import stopped at position %d: %w", in.positions[i], err)
		case err != nil:
			if err := in.failed(in.positions[i], err, in.texts[i]); err != nil {
				return err
			}
		case r.Ignored:
			in.outcome.Ignored++
		case r.Created:
			in.outcome.Created++
		default:
			in.outcome.Updated++
		}
	}
	in.ops, in.errs, in.positions, in.texts, in.size, in.pinned = nil, nil, nil, nil, 0, false
	in.release()
	in.view = in.api.catalog.Cached() // the next batch starts from what is known by then
	coll, err := in.view.Find(in.call.DB, in.coll.ID)
	if err != nil {
		return err
	}
	in.coll, in.rules.NewKey = coll, in.api.newKey(in.view)
	return nil
}

// failed counts an item that could not be imported; an error if that ends the import.
func (in *intake) failed(position int, err *apierror.Error, text string) error {
	if in.complete {
		return apierror.New(err.Num, "import stopped at position %d; what stands before it is imported, what follows it may be in part: %w, offending document: %s", position, err, text).WithStatus(http.StatusConflict)
	}
	in.outcome.Errors++
	if in.details && len(in.outcome.Details) < maxDetails {
		in.outcome.Details = append(in.outcome.Details, fmt.Sprintf("at position %d: %s (error %d), offending document: %s", position, document.Shorten(err.Message), err.Num, text))
	}
	return nil
}
