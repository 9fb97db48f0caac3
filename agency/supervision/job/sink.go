package job

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// creator is on record as the creator of the jobs that the supervision makes itself.
const creator = "supervision"

// sink takes the decisions of one pass, in order: it makes the transactions that change the
// record of a job, and gives every text the short names of the servers.
type sink struct {
	facts     *facts.Snapshot
	now       time.Time
	heldBack  map[string]time.Duration // of the Memory
	latest    int64                    // the last id given out
	counted   bool                     // latest is in the agency, or will be after what was decided
	names     *strings.Replacer        // server ids → short names; made when the first text needs it
	decisions []Decision
}

func newSink(f *facts.Snapshot, now time.Time, heldBack map[string]time.Duration) *sink {
	s := &sink{facts: f, now: now, heldBack: heldBack}
	latest := f.Root.At(keys.LatestID)
	s.latest, _ = latest.Int()
	s.counted = latest.Exists()
	return s
}

// decide takes a decision that is about no job.
func (s *sink) decide(d Decision) {
	if d.Detail != "" {
		d.Detail = s.shorten(d.Detail)
	}
	s.decisions = append(s.decisions, d)
}

// decideOn takes a decision about a job. If Plan was frozen when the job could have begun, the
// event tells for how long.
func (s *sink) decideOn(j facts.Job, d Decision) {
	d.Job, d.DB, d.Shard, d.Server = j.ID, j.Record.Database, j.Record.Shard, cmp.Or(d.Server, j.Record.Server)
	switch d.Step {
	case event.JobStarted, event.ShardLeaderChanged, event.FollowerReplaced, event.FollowerAdded, event.FollowerRemoved:
		if held := s.heldBack[j.ID]; held > 0 && !j.IsPending() {
			d.Detail += fmt.Sprintf("; it was held back for %v, while Plan was frozen", held.Round(10*time.Millisecond))
		}
	}
	s.decide(d)
}

// shorten puts names in the place of server ids, for people: those that servers were started with, or else their short names.
func (s *sink) shorten(text string) string {
	if s.names == nil {
		var pairs []string
		for id, entry := range s.facts.Root.At(keys.ShortIDs).Children() {
			short := cmp.Or(s.facts.Root.At(keys.ServerRegistered(id)+"/name").Text(), entry.At("ShortName").Text())
			if short != "" {
				pairs = append(pairs, id, short)
			}
		}
		s.names = strings.NewReplacer(pairs...)
	}
	return s.names.Replace(text)
}

// takeID takes the next id. Several taken in one pass follow each other: the transaction that
// takes the second requires the effect of the first.
func (s *sink) takeID(tx *agencyclient.Tx) string {
	// Coordinators take ids of the same range at the same time. If one does now, this transaction is
	// refused, and the next pass takes another id.
	tx.Pre[keys.LatestID] = agencyclient.OldEmpty(true)
	if s.counted {
		tx.Pre[keys.LatestID] = s.latest
	}
	s.counted = true
	s.latest++
	tx.Ops[keys.LatestID] = s.latest
	return strconv.FormatInt(s.latest, 10)
}

// create makes a job with the next id, and returns the decision for what else belongs to it.
func (s *sink) create(j keys.Job, why string) *Decision {
	tx := agencyclient.NewTx()
	id := s.takeID(&tx)
	j.JobID, j.Creator, j.TimeCreated = id, creator, stamp(s.now)
	tx.Ops[keys.TargetToDo+"/"+id] = j
	s.decide(Decision{
		Tx: tx, Step: event.JobCreated, Job: id, DB: j.Database, Shard: j.Shard, Server: cmp.Or(j.Server, j.FromServer, j.ToServer),
		Detail: j.Type + ": " + why,
	})
	return &s.decisions[len(s.decisions)-1]
}

// addChildren adds children to a transaction of their parent. Children that a parent gets as
// it begins could have begun when it could: they were held back for as long.
func (s *sink) addChildren(parent facts.Job, tx *agencyclient.Tx, children []keys.Job) {
	n := s.facts.NextChild(parent.ID)
	for _, c := range children {
		c.JobID = fmt.Sprintf("%s-%d", parent.ID, n)
		c.ParentJob, c.Creator, c.TimeCreated = parent.ID, creator, stamp(s.now)
		tx.Ops[keys.TargetToDo+"/"+c.JobID] = c
		tx.Pre[keys.TargetToDo+"/"+c.JobID] = agencyclient.OldEmpty(true)
		if held := s.heldBack[parent.ID]; held > 0 && !parent.IsPending() {
			s.heldBack[c.JobID] = held
		}
		n++
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
