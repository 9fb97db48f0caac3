package conformance

import (
	"time"

	"stasis/fault"
	"stasis/lab/world"
)

func messages() []row {
	between := fault.Message{From: coordinator, To: dbserver, Times: 1}
	return []row{
		message("a request that is lost", between, fault.LoseRequest, 100*time.Millisecond),
		message("an answer that is lost", between, fault.LoseAnswer, 100*time.Millisecond),
		message("a request that arrives twice", between, fault.Duplicate, 0),
		message("a request that is late", between, fault.DelayIt, 100*time.Millisecond),
		message("a request that is overtaken", between, fault.Reorder, 0),
		message("a client's request that arrives twice", fault.Message{From: world.Client, To: coordinator, Times: 1}, fault.Duplicate, 0),
		message("a request to a DB server, from any host", fault.Message{To: dbserver, Times: 1}, fault.DelayIt, time.Millisecond),
	}
}

func message(name string, m fault.Message, do fault.MessageFault, by time.Duration) row {
	m.Do, m.By = do, by
	return row{name, []world.Feature{world.Messages}, func(s *scene) (done, error) {
		return ofMet(s.world.Network().Message(m))
	}}
}
