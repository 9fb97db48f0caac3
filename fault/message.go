package fault

import "time"

// Message selects messages between two hosts and says what happens to them. A message is a request of HTTP
// with its answer, or a call of Raft with its response.
type Message struct {
	From, To string // hosts: who asks, who answers; "": any
	Path     string // the beginning of the path, "/_db/…"; of a call of Raft "raft/AppendEntries"; "": any
	Do       MessageFault
	By       time.Duration // how much later with Delay; within how long with Reorder
	After    int           // so many selected messages pass first
	Times    int           // so many are concerned; 0: all until the rule ends
}

// MessageFault is what happens to a message.
type MessageFault string

// The faults of messages.
const (
	LoseRequest MessageFault = "lose request" // it never arrives; the caller gets no answer
	LoseAnswer  MessageFault = "lose answer"  // it is done, and the caller gets no answer
	Duplicate   MessageFault = "duplicate"    // it arrives twice; the caller gets the first answer
	DelayIt     MessageFault = "delay"        // it arrives later
	Reorder     MessageFault = "reorder"      // it is held back until a later one has passed it
)
