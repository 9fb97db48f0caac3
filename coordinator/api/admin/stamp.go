package admin

import "time"

// stamp returns a time as it is written in the agency.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
