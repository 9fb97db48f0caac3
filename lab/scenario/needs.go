package scenario

import (
	"slices"
	"time"
)

// shortGrace is the shortest grace period that the program takes: see stasis agent run.
const shortGrace = 3 * time.Second

// Requirement is a feature that a scenario needs, and where.
type Requirement struct {
	Feature string
	What    string // what needs it, as the scenario has it
	Line    int
}

// Requires lists what a scenario needs of a world, in the order of its lines. A world that lacks one of them cannot run
// it.
func Requires(s *Scenario) []Requirement {
	var all []Requirement
	add := func(line int, what string, features ...string) {
		for _, f := range features {
			if !slices.ContainsFunc(all, func(r Requirement) bool { return r.Feature == f }) {
				all = append(all, Requirement{f, what, line})
			}
		}
	}
	if s.Cluster.LatencyWritten {
		add(s.Cluster.Line, "latency", Latency)
	}
	if s.Cluster.Grace > 0 && s.Cluster.Grace < shortGrace {
		add(s.Cluster.Line, "grace", ShortGrace)
	}
	if s.Cluster.ClockSkew > 0 {
		add(s.Cluster.Line, "clockSkew", ClockSkew)
	}
	if s.Cluster.Buggify > 0 {
		add(s.Cluster.Line, "buggify", RandomDelays)
	}
	for _, step := range s.Do {
		if step.When.Event != nil {
			add(step.Line, step.When.Text, Holds)
		}
		for _, a := range step.Actions {
			f := formOf(Actions(), a.Verb)
			add(a.Line, a.Text, f.Needs...)
			if slices.Contains(f.Needs, DiskFaults) && ofAgent(a.Args["a"]) {
				add(a.Line, a.Text, AgentDisks)
			}
		}
	}
	return all
}

func formOf(all []Form, name string) Form {
	return all[slices.IndexFunc(all, func(f Form) bool { return f.Name == name })]
}

// ofAgent says whether an expression names an agent.
func ofAgent(text string) bool {
	all, err := ParseServers(text)
	return err == nil && slices.ContainsFunc(all, func(s Server) bool { return roleOf(s) == "agent" })
}
