package job

import "stasis/agency/keys"

// kinds is the planners by the type of job. A new kind of job is a row here and a file with its
// planner. A planner has no state, so nothing in the table ever changes.
var kinds = map[string]planner{
	keys.JobFailedServer:     failedServer{},
	keys.JobFailedLeader:     failedLeader{},
	keys.JobFailedFollower:   failedFollower{},
	keys.JobAddFollower:      addFollower{},
	keys.JobRemoveFollower:   removeFollower{},
	keys.JobMoveShard:        moveShard{},
	keys.JobCleanOutServer:   cleanOut{},
	keys.JobResignLeadership: resignLeadership{},
}

// plannerOf is the planner of a type of job. An unknown type has one that fails its jobs.
func plannerOf(kind string) planner {
	if found, ok := kinds[kind]; ok {
		return found
	}
	return unknown{} // also of a record that cannot be read
}
