package conformance

import (
	"time"

	faults "stasis/fault"
	"stasis/lab/world"
)

func messages() []fault {
	between := faults.Message{From: coordinator, To: dbserver, Times: 1}
	return []fault{
		message("a request that is lost", between, faults.LoseRequest, 100*time.Millisecond),
		message("an answer that is lost", between, faults.LoseAnswer, 100*time.Millisecond),
		message("a request that arrives twice", between, faults.Duplicate, 0),
		message("a request that is late", between, faults.DelayIt, 100*time.Millisecond),
		message("a request that is overtaken", between, faults.Reorder, 0),
		message("a client's request that arrives twice", faults.Message{From: world.Client, To: coordinator, Times: 1}, faults.Duplicate, 0),
		message("a request to a DB server, from any host", faults.Message{To: dbserver, Times: 1}, faults.DelayIt, time.Millisecond),
	}
}

func message(name string, m faults.Message, do faults.MessageFault, by time.Duration) fault {
	m.Do, m.By = do, by
	return fault{name, []world.Feature{world.Messages}, func(s *scene) (done, error) {
		return ofMet(s.world.Network().Message(m))
	}}
}
