package client

import "stasis/internal/apierror"

// LockReport is the lock report of a create that has failed: what was tried, and how long writers
// waited for that. It is nil if no gate was asked for, and for errors of other commands.
func (e *Error) LockReport() *LockReport {
	if e.answer == nil || e.answer.Extra[apierror.Report] == nil {
		return nil
	}
	var r LockReport
	if e.answer.Attribute(apierror.Report, &r) != nil {
		return nil // of another version: the message says what it says
	}
	return &r
}
