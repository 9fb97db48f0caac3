package anomaly

// Check finds the anomalies of a history, each name once.
func Check(txns []Txn) []Found {
	h := read(txns)
	h.seen()
	g := h.graph()
	g.cycles(&h.findings)
	g.gaps(&h.findings)
	return h.findings.all
}
