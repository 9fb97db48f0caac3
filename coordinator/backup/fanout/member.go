package fanout

import (
	"context"
	"errors"
	"fmt"
	"strings"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Member is one DB server that takes part.
type Member struct {
	ID     string
	Name   string // for people: short name and id
	Target dbclient.Target
}

// Address returns the host and port of the member.
func (m Member) Address() string { return strings.TrimPrefix(m.Target.URL, "http://") }

// IDs are the ids of the members, in their order.
func IDs(members []Member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.ID
	}
	return out
}

// memberError is an error that names its DB server itself and says what to do about it.
type memberError interface {
	error
	MemberID() string
}

// silent is the error of a member that does not answer. Its text names the server and what to do;
// how the silence was noticed is for errors.Is and the log.
type silent struct {
	Member
	cause error
}

func (e *silent) Error() string {
	return fmt.Sprintf("DB server %s does not answer at %s: start it, or remove it with stasis cluster remove %s", e.Name, e.Address(), e.ID)
}

func (e *silent) MemberID() string { return e.ID }

func (e *silent) Unwrap() error { return e.cause }

// Explain adds the member to the error of a request to it.
func (m Member) Explain(err error) error {
	var known memberError
	switch {
	case errors.As(err, &known):
		return err
	case Unreachable(err):
		return &silent{m, err}
	}
	return fmt.Errorf("%s: %w", m.Name, err)
}

// Unreachable says whether an error means that no answer arrived. The answer may be an error, too.
func Unreachable(err error) bool {
	return errors.Is(err, apierror.ConnectionLost) || errors.Is(err, context.DeadlineExceeded)
}

// Unavailable turns the error of a member into [apierror.ServiceUnavailable], with the server's id in
// its Extra: nothing has been done yet, so the client may try again. why says why the member is
// needed. Other errors stay as they are.
func Unavailable(why string, err error) error {
	var m memberError
	if !errors.As(err, &m) {
		return err
	}
	e := apierror.New(apierror.ServiceUnavailable, "%s: %w", why, err)
	e.Extra = map[string]any{"server": m.MemberID()}
	return e
}
