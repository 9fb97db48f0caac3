package coordinator_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup"
	"stasis/coordinator/balance"
	"stasis/coordinator/cursor"
	"stasis/event"
)

// camelCase is how attributes are named where the format is ours. The others are ArangoDB's:
// _key and its like, the status of a transfer, and cluster health.
var camelCase = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

// attributes calls visit for every attribute that a type has as JSON, and those below it.
func attributes(t reflect.Type, seen map[reflect.Type]bool, visit func(in reflect.Type, name string)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		attributes(t.Elem(), seen, visit)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] || !strings.HasPrefix(t.PkgPath(), "stasis/") {
		return
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if !f.Anonymous {
			if tag == "" {
				tag = f.Name
			}
			visit(t, tag)
		}
		attributes(f.Type, seen, visit)
	}
}

func TestOurAttributesAreCamelCase(t *testing.T) {
	n, seen := 0, map[reflect.Type]bool{}
	for _, v := range []any{
		client.Status{}, client.Shards{}, client.Jobs{}, client.Decision{}, event.Event{}, certificate.Certificate{},
		backup.CreateResult{}, backup.RestoreResult{}, backup.DeleteResult{}, backup.ListResult{}, backup.VerifyResult{},
		balance.Imbalance{}, cursor.Usage{},
	} {
		attributes(reflect.TypeOf(v), seen, func(in reflect.Type, name string) {
			n++
			require.Regexp(t, camelCase, name, "attribute %s of %v", name, in)
		})
	}
	require.Greater(t, n, 100, "the types have their attributes elsewhere")
}
