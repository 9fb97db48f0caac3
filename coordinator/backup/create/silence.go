package create

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
)

// silentSince has, for each server that is silent, the time since when it is, over attempts.
type silentSince map[string]time.Time

// tooLong notes whether a server answered, and returns whether it has been silent for limit. Then
// another attempt would fail as well.
func (s silentSince) tooLong(id string, err error, limit time.Duration) bool {
	switch {
	case errors.Is(err, dbclient.ErrSilent):
	case errors.Is(err, context.Canceled): // it was cut off because of another server
		return false
	default:
		delete(s, id)
		return false
	}
	if _, known := s[id]; !known {
		s[id] = time.Now().Add(-dbclient.GateSilence)
	}
	return time.Since(s[id]) >= limit
}
