package transaction

import "stasis/internal/network"

func (m *Manager) count(change func(*tally)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.tally)
}

// Metrics are what was counted.
func (m *Manager) Metrics() []network.Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.tally
	return []network.Metric{
		{Name: "stasis_transactions", Kind: "gauge", Help: "Stream transactions that have not ended.", Value: len(m.all) - len(m.finished)},
		{Name: "stasis_transactions_begun_total", Kind: "counter", Help: "Stream transactions that this coordinator has begun.", Value: c.begun},
		{Name: "stasis_transactions_refused_total", Kind: "counter", Help: "Stream transactions that were not begun, because too many were open.", Value: c.refused},
		{Name: "stasis_transactions_committed_total", Kind: "counter", Help: "Stream transactions that are committed.", Value: c.committed},
		{Name: "stasis_transactions_aborted_total", Kind: "counter", Help: "Stream transactions that are aborted, for whatever reason.", Value: c.aborted},
		{Name: "stasis_transactions_expired_total", Kind: "counter", Help: "Stream transactions that were aborted because nobody has used them.", Value: c.expired},
		{Name: "stasis_transactions_unknown_total", Kind: "counter", Help: "Stream transactions of which it will never be known here whether they are committed.", Value: c.unknown},
	}
}
