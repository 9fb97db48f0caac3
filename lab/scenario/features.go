package scenario

// What a scenario can need of the world that it runs in. A world has features by these names.
const (
	Latency      = "latency"
	LinkFaults   = "faults of links"
	Messages     = "faults of messages"
	DiskFaults   = "faults of disks"
	TornWrites   = "torn writes"
	AgentDisks   = "faults of agents' logs"
	PowerCut     = "a power cut"
	Pause        = "a pause"
	Holds        = "holds at steps"
	ClockSkew    = "a skewed wall clock"
	RandomDelays = "random delays in the code"
	Remotes      = "uploads and downloads"
	RemoteFaults = "faults of remotes"
	LostDisks    = "a lost disk"
	ShortGrace   = "a grace period below 3s"
)
