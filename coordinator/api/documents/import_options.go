package documents

import (
	"encoding/json"
	"fmt"
	"strings"

	"stasis/coordinator/bulk"
	"stasis/coordinator/document"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// importOptions are the parameters of an import.
type importOptions struct {
	collection           string
	format               bulk.Format
	onDuplicate          dbclient.OverwriteMode
	overwrite            bool // the collection is emptied first
	complete             bool // the first error ends the import
	details              bool // the answer has the errors
	ignoreMissing        bool
	fromPrefix, toPrefix string
}

func readImportOptions(c *rest.Call) (o importOptions, err error) {
	o = importOptions{
		collection: c.Query.Get("collection"), format: bulk.Format(c.Query.Get("type")),
		fromPrefix: c.Query.Get("fromPrefix"), toPrefix: c.Query.Get("toPrefix"),
	}
	if o.collection == "" {
		return o, apierror.New(apierror.BadParameter, "the parameter collection is missing")
	}
	if o.onDuplicate, err = onDuplicate(c.Query.Get("onDuplicate")); err != nil {
		return o, err
	}
	for _, flag := range []struct {
		name string
		into *bool
	}{{"complete", &o.complete}, {"details", &o.details}, {"overwrite", &o.overwrite}, {"ignoreMissing", &o.ignoreMissing}} {
		if *flag.into, err = c.Flag(flag.name, false); err != nil {
			return o, err
		}
	}
	return o, nil
}

func onDuplicate(v string) (dbclient.OverwriteMode, error) {
	switch v {
	case "", "error":
		return dbclient.OverwriteConflict, nil
	case "update", "replace", "ignore":
		return dbclient.OverwriteMode(v), nil
	}
	return "", apierror.New(apierror.BadParameter, "onDuplicate %q is unknown: want error, update, replace or ignore", v)
}

// addPrefixes puts the prefixes before the bare keys of an edge's ends.
func (o *importOptions) addPrefixes(body *document.Body) error {
	if err := addPrefix(body, "_from", body.From, o.fromPrefix); err != nil {
		return err
	}
	return addPrefix(body, "_to", body.To, o.toPrefix)
}

func addPrefix(body *document.Body, name string, value *json.RawMessage, prefix string) error {
	var s string
	if prefix == "" || value == nil || json.Unmarshal(*value, &s) != nil || strings.Contains(s, "/") {
		return nil
	}
	raw, err := rest.Encode(strings.TrimSuffix(prefix, "/") + "/" + s)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	body.Set(name, raw)
	return nil
}
