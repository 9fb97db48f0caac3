package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Keyword is a string that is written as :keyword in EDN, and as a string in JSON.
type Keyword string

// edn writes a value as EDN.
func edn(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "nil", nil
	case Keyword:
		return ":" + string(v), nil
	case string:
		return text(v), nil
	case bool, int, int64, uint64:
		return fmt.Sprint(v), nil
	case json.Number:
		return v.String(), nil
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			var err error
			if parts[i], err = edn(one); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, " ") + "]", nil
	case map[string]any:
		return pairs(v, text)
	case map[int]any:
		return pairs(v, strconv.Itoa)
	}
	return "", fmt.Errorf("a %T cannot be written as EDN", v)
}

// pairs writes a map, sorted by its keys.
func pairs[K string | int](m map[K]any, key func(K) string) (string, error) {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		value, err := edn(m[k])
		if err != nil {
			return "", err
		}
		parts = append(parts, key(k)+" "+value)
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}

// text writes a string. EDN knows the escapes \t \r \n \\ \" and \uXXXX.
func text(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
