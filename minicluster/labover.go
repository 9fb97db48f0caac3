package minicluster

import "maps"

// holdsNot notes a server whose process holds nothing.
func (h *LabHold) holdsNot(server, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[server] = why
}

// placed notes that one more process holds the operation.
func (h *LabHold) placed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places++
}

// lost notes that a process has ended that had not come to the step. When the last one has, nothing comes to it any more.
func (h *LabHold) lost(server string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[server] = "its process has ended, and one that is started again holds nothing"
	if h.places--; h.places == 0 {
		h.over = "all processes have ended that would hold"
	}
}

// ended notes that the operation is not held any more, though the hold was not ended.
func (h *LabHold) ended(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = why
}

// Over says why it holds nothing any more, though End was not called: the operation has reached a limit of its own, or its process
// has ended. "": it holds, or will.
func (h *LabHold) Over() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// holdNothing are the servers that hold nothing, and why.
func (h *LabHold) holdNothing() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.silent)
}
