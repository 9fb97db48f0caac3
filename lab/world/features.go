package world

import "fmt"

// Feature is something that a scenario may ask of a world.
type Feature string

// The features.
const (
	Latency      Feature = "latency"                // every message takes its time
	LinkFaults   Feature = "faults of links"        // cut, delay, throttle, drop, reset, isolate, freeze of a host
	Messages     Feature = "faults of messages"     // lose, duplicate, delay, reorder
	DiskFaults   Feature = "faults of disks"        // hang, slow, fail, fill
	TornWrites   Feature = "torn writes"            // after a power cut a write is there in part
	AgentDisks   Feature = "faults of agents' logs" // as DiskFaults
	PowerCut     Feature = "a power cut"            // what was not synced is lost
	LostDisks    Feature = "a lost disk"            // a server starts with an empty one; an agency recovers from one that is left
	Remotes      Feature = "uploads and downloads"  // there is a remote storage
	RemoteFaults Feature = "faults of remotes"      // hang, slow, fail, fill
	Pause        Feature = "a pause"                // nothing of a server is seen: no message, no change of its disk, no step
	wholePause   Feature = "a pause of all code"    // SIGSTOP: beside that no timer fires, and no memory changes
	Holds        Feature = "holds at steps"         // an operation waits at a step until it is let go
	ClockSkew    Feature = "a skewed wall clock"
	RandomDelays Feature = "random delays in the code" // buggify
	ShortGrace   Feature = "a grace period below 3s"
	VirtualTime  Feature = "virtual time" // grace periods cost nothing, and a run is repeated by its seed
)

// allFeatures are all, in the order in which they are shown.
var allFeatures = []Feature{
	Latency, LinkFaults, Messages, DiskFaults, TornWrites, AgentDisks, PowerCut, LostDisks, Remotes, RemoteFaults, Pause, wholePause, Holds, ClockSkew, RandomDelays, ShortGrace, VirtualTime,
}

// Reasons that several features have.
const (
	ownRemote = "the DB servers have the remotes of the program as users have it, over which no order has a say"
	goroutine = "the servers share a process, of which none can be stopped alone: one that is paused changes its memory and its timers fire, and it reads its disk"
	keepPower = "the disks are real, and their machine keeps its power"
)

// cannot are the features that worlds do not have, with the reasons.
var cannot = map[Kind]map[Feature]string{
	Bubble: {wholePause: goroutine},
	InProcess: {
		TornWrites:  "a power cut tears writes: " + keepPower,
		PowerCut:    keepPower,
		wholePause:  goroutine,
		VirtualTime: "real disks need real time",
	},
	Processes: {
		TornWrites:   "a power cut tears writes: " + keepPower,
		PowerCut:     "SIGKILL loses nothing that was written: " + keepPower,
		RemoteFaults: ownRemote,
		ShortGrace:   "the program refuses it: heartbeats and leases take real time",
		VirtualTime:  "processes need real time",
	},
}

// Features are all features, with the reason for each that the world does not have, "" for those that it has.
func Features(kind Kind) map[Feature]string {
	all := map[Feature]string{}
	for _, f := range allFeatures {
		all[f] = cannot[kind][f]
	}
	return all
}

// Can is nil if the world has the feature, and otherwise an [Unsupported] error with the reason.
func Can(kind Kind, f Feature) error {
	if _, known := cannot[kind]; !known {
		return fmt.Errorf("no world %q", kind)
	}
	if why := cannot[kind][f]; why != "" {
		return &Unsupported{World: kind, What: string(f), Why: why}
	}
	return nil
}
