package coordinator

import (
	"net/http"
	"strconv"
	"time"

	dbclient "stasis/dbserver/client"
)

// queueTime is the header with which clients of ArangoDB say for how many seconds a request may queue; drivers
// take it from the deadline of the call. Here writes queue at gates, while a backup makes its cuts.
const queueTime = "X-Arango-Queue-Time-Seconds"

// longestQueueTime is more than any client means.
const longestQueueTime = 24 * time.Hour

// patient tells a handler for how long the client waits. As in ArangoDB, what is no number above 0 says nothing.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := strconv.ParseFloat(r.Header.Get(queueTime), 64); err == nil && s > 0 {
			most := time.Duration(min(s, longestQueueTime.Seconds()) * float64(time.Second))
			r = r.WithContext(dbclient.WithPatience(r.Context(), most))
		}
		h.ServeHTTP(w, r)
	})
}
