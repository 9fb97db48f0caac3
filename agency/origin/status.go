package origin

import "sync/atomic"

// Status says why an agent does not serve and what it waits for; it is empty if there is nothing
// to say. Its methods may be called from any goroutine.
type Status struct {
	text atomic.Pointer[string]
}

// Say replaces the text, and tells whether it is another one.
func (s *Status) Say(text string) (news bool) {
	old := s.text.Swap(&text)
	return old == nil && text != "" || old != nil && *old != text
}

// String is the text.
func (s *Status) String() string {
	if text := s.text.Load(); text != nil {
		return *text
	}
	return ""
}
