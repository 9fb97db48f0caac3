package certificate

// AbortedTransaction is an open transaction that a backup with force has aborted.
type AbortedTransaction struct {
	ID          string   `json:"id"`
	Coordinator string   `json:"coordinator"` // that had begun it
	AgeSeconds  float64  `json:"age"`         // when it was aborted
	Servers     []string `json:"servers"`     // whose gates it was inside
}
