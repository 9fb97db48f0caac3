package transaction

import (
	"container/list"
	"time"

	dbclient "stasis/dbserver/client"
)

// memory remembers why parts have ended, the latest ones. It is used under the ledger's mutex.
type memory struct {
	most  int
	age   time.Duration
	of    map[dbclient.TxnID]*list.Element
	order list.List // of epitaph; the oldest is first
}

// epitaph says why a part has ended.
type epitaph struct {
	id  dbclient.TxnID
	why string
	at  time.Time
}

func newMemory(most int, age time.Duration) *memory {
	return &memory{most: most, age: age, of: map[dbclient.TxnID]*list.Element{}}
}

// add remembers why a part has ended. The first reason counts.
func (m *memory) add(id dbclient.TxnID, why string) {
	if m.of[id] == nil {
		m.of[id] = m.order.PushBack(epitaph{id: id, why: why, at: time.Now()})
	}
	m.trim()
}

// why is why a part has ended; known is false if that is not remembered.
func (m *memory) why(id dbclient.TxnID) (why string, known bool) {
	if e := m.of[id]; e != nil {
		return e.Value.(epitaph).why, true
	}
	return "", false
}

// trim forgets what is too old or too much.
func (m *memory) trim() {
	for e := m.order.Front(); e != nil; e = m.order.Front() {
		oldest := e.Value.(epitaph)
		if m.order.Len() <= m.most && time.Since(oldest.at) < m.age {
			return
		}
		m.order.Remove(e)
		delete(m.of, oldest.id)
	}
}
