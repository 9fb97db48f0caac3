package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
)

// answers are what the agents say of themselves when no leader answers.
type answers struct {
	pool    map[string]string // id → endpoint, as those that answer know it
	there   map[string]agencyclient.Config
	missing []string
	refused []string // why agents did not look at the question
	leader  string
}

// diagnose says in words why no leader answers, and what to do.
func diagnose(ctx context.Context, c *agencyclient.Client, endpoints []string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a := answers{pool: map[string]string{}, there: map[string]agencyclient.Config{}}
	for _, e := range endpoints {
		a.ask(ctx, c, e)
	}
	for id, endpoint := range maps.Clone(a.pool) {
		if _, answered := a.there[id]; !answered && !a.ask(ctx, c, strings.Replace(endpoint, "tcp://", "http://", 1)) {
			a.missing = append(a.missing, id+" ("+endpoint+")")
		}
	}
	slices.Sort(a.missing)
	return strings.Join(append([]string{a.verdict(endpoints)}, a.reasons()...), "\n")
}

func (a *answers) ask(ctx context.Context, c *agencyclient.Client, endpoint string) bool {
	config, err := c.ConfigOf(ctx, endpoint)
	if errors.Is(err, agencyclient.ErrRejected) {
		a.refused = append(a.refused, err.Error())
	}
	if err != nil {
		return false
	}
	maps.Copy(a.pool, config.Configuration.Pool)
	a.there[config.Configuration.ID] = config
	if config.LeaderID != "" {
		a.leader = config.LeaderID
	}
	return true
}

// reasons are why agents do not serve, in their own words.
func (a *answers) reasons() (lines []string) {
	for _, id := range slices.Sorted(maps.Keys(a.there)) {
		if status := a.there[id].Status; status != "" {
			lines = append(lines, id+" says: "+status)
		}
	}
	return append(lines, a.refused...)
}

func (a *answers) verdict(endpoints []string) string {
	votes := 0
	for id := range a.there {
		if _, member := a.pool[id]; member && a.there[id].Status == "" {
			votes++
		}
	}
	switch need := len(a.pool)/2 + 1; {
	case len(a.there) == 0:
		return fmt.Sprintf("no agent answers at %s: start the agents, or name others with --agent", strings.Join(endpoints, ", "))
	case len(a.pool) == 0:
		return fmt.Sprintf("%d agents answer, and belong to no agency yet.", len(a.there))
	case votes < need && len(a.missing) == 0:
		return fmt.Sprintf("the agency has lost its majority: of %d agents %d can vote, %d are needed.", len(a.pool), votes, need)
	case votes < need:
		return fmt.Sprintf("the agency has lost its majority: %d of %d agents answer, %d are needed. Nothing can be read or written until one more is back.\n"+
			"Not answering: %s.\nStart them again with their data directories. Nothing acknowledged is lost as long as those are there.\n"+
			"If they are gone for good: stop an agent that is left, run \"stasis agency recover --dir\" on its data directory, start it, and start the others with empty ones. "+
			"It says what may be lost. If no directory is left, make an agency of a saved snapshot with \"stasis agency snapshot restore\".",
			votes, len(a.pool), need, strings.Join(a.missing, ", "))
	case a.leader == "":
		return fmt.Sprintf("%d of %d agents answer, which is a majority, but they have no leader: an election may be running, or they do not reach each other. "+
			"Try again in a few seconds; then look at the network between them and at their logs", votes, len(a.pool))
	}
	return fmt.Sprintf("%s is the leader, but it did not answer in time: raise --timeout, or look at its log", a.leader)
}
