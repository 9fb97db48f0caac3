package workload

import (
	"encoding/json"

	"stasis/lab/history"
)

// registerModel gives operations on documents as transactions of elle-cli's model rw-register: a write is one
// of the unique id of the version, and a read reads one.
func registerModel() (string, history.Translate) {
	return "rw-register", func(o history.Op) (string, any, any, bool) {
		if !o.Write() {
			var seen any
			if v, err := versionOf(o.Result); err == nil && v.ID != "" {
				seen = v.ID
			}
			return "txn", micro("r", o.Key, nil), micro("r", o.Key, seen), true
		}
		var w written
		if err := json.Unmarshal(o.Value, &w); err != nil {
			return "", nil, nil, false
		}
		v, err := versionOf(w.Doc)
		return "txn", micro("w", o.Key, v.ID), micro("w", o.Key, v.ID), err == nil
	}
}

// micro is a transaction of one operation.
func micro(f, key string, value any) []any { return []any{[]any{history.Keyword(f), key, value}} }
