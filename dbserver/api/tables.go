package api

import (
	"context"
	"time"

	"stasis/dbserver/engine"
	"stasis/dbserver/store"
	"stasis/internal/network"
)

// mostDamaged is how many damaged tables a status names.
const mostDamaged = 20

// scrubbedOf is how far scrubs of the open data have come. It is an error while no data is open.
func scrubbedOf(ctx context.Context, access *store.Access) (engine.Scrubbed, error) {
	_, s, leave, err := access.Enter(ctx)
	if err != nil {
		return engine.Scrubbed{}, err
	}
	defer leave()
	return s.Engine().Scrubbed()
}

// tableStatus says what scrubs have found, or why that is not known.
func tableStatus(s engine.Scrubbed, err error) map[string]any {
	type object = map[string]any
	if err != nil {
		return object{"unknown": err.Error()}
	}
	status := object{"count": s.Tables, "unread": s.Unread, "damaged": len(s.Damaged)}
	if !s.Oldest.IsZero() {
		status["oldestReading"] = s.Oldest.UTC().Format(time.RFC3339)
	}
	why := object{}
	for _, d := range s.Damaged[:min(len(s.Damaged), mostDamaged)] {
		why[d.Name] = d.Why.Error()
	}
	if len(why) > 0 {
		status["damage"] = why
	}
	return status
}

// tableMetrics are the same in numbers; none while that is not known.
func tableMetrics(s engine.Scrubbed, err error) []network.Metric {
	if err != nil {
		return nil
	}
	oldest := int64(0)
	if !s.Oldest.IsZero() {
		oldest = s.Oldest.Unix()
	}
	return []network.Metric{
		{Name: "stasis_engine_tables", Kind: "gauge", Help: "Tables of the engine.", Value: s.Tables},
		{Name: "stasis_engine_tables_unread", Kind: "gauge", Help: "Tables that no scrub has read since they were written.", Value: s.Unread},
		{Name: "stasis_engine_tables_damaged", Kind: "gauge", Help: "Tables that a scrub found damaged.", Value: len(s.Damaged)},
		{Name: "stasis_engine_tables_oldest_reading_seconds", Kind: "gauge", Help: "When the table was read that was not read for longest, in Unix seconds; 0: none was.", Value: oldest},
	}
}
