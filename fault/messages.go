package fault

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// retransmitting is how long a system sends again what is not acknowledged: Linux gives a connection up
	// after about 15 minutes.
	retransmitting = 15 * time.Minute
	// overtaking is how long Reorder waits for a later message, unless the rule says.
	overtaking = time.Second
	// patience bounds a message that arrives without a caller, with its answer.
	patience = 30 * time.Second
)

// pass sends a message to which the rules happen in their order.
func (a *messages) pass(ctx context.Context, x meeting, s sending, rules []*MessageRule) error {
	for i, r := range rules {
		strikes, held, overtaken := r.meets(x, s)
		switch {
		case overtaken != nil:
			err := a.pass(ctx, x, s, rules[i+1:])
			if err == nil {
				r.overtake(x, overtaken)
			}
			return err
		case strikes:
			return a.strike(ctx, r, held, x, passing{s, rules[i+1:]})
		}
	}
	return s.send(ctx)
}

// passing is a message and the rules that it has not met yet.
type passing struct {
	sending
	rules []*MessageRule
}

func (a *messages) strike(ctx context.Context, r *MessageRule, held *heldBack, x meeting, p passing) error {
	switch r.message.Do {
	case LoseRequest:
		r.hit()
		defer p.lose(ctx, x, a.detach)()
		return a.silence(ctx, x, r.message.By)
	case LoseAnswer:
		return a.loseAnswer(ctx, r, x, p)
	case Duplicate:
		return a.duplicate(ctx, r, x, p)
	case DelayIt:
		r.hit()
		return a.hold(ctx, r, nil, x, p)
	default:
		defer r.release(x, held)
		return a.hold(ctx, r, held, x, p)
	}
}

// silence is what a caller sees whose message, or its answer, is lost.
func (a *messages) silence(ctx context.Context, x meeting, by time.Duration) error {
	if by == 0 {
		by = retransmitting
	}
	breaks := time.NewTimer(by)
	defer breaks.Stop()
	err := error(os.NewSyscallError("read", syscall.ETIMEDOUT))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.closing.Done():
		err = net.ErrClosed
	case <-breaks.C:
	}
	return &net.OpError{Op: "read", Net: "tcp", Addr: addr(x.address), Err: err}
}

// loseAnswer has the message done in full, and leaves the caller without an answer.
func (a *messages) loseAnswer(ctx context.Context, r *MessageRule, x meeting, p passing) error {
	call, giveUp := context.WithCancel(ctx)
	defer giveUp() // ends the reading of the answer
	if err := a.pass(call, x, p.sending, p.rules); err != nil {
		return err
	}
	a.detach(p.discard)
	r.hit()
	return a.silence(ctx, x, r.message.By)
}

// duplicate sends the message, and its copy when it has been answered.
func (a *messages) duplicate(ctx context.Context, r *MessageRule, x meeting, p passing) error {
	second, err := p.again()
	if err != nil {
		return err // the caller's own body cannot be read
	}
	err = a.pass(ctx, x, p.sending, p.rules)
	a.detach(func() {
		if !a.wait(r.message.By, r.ended) {
			return
		}
		if a.alone(x, passing{second, p.rules}) == nil {
			r.hit()
		}
	})
	return err
}

// hold keeps a message back for as long as the rule says, or until another has overtaken it.
func (a *messages) hold(ctx context.Context, r *MessageRule, held *heldBack, x meeting, p passing) error {
	by, passed := r.message.By, (<-chan struct{})(nil)
	if held != nil {
		passed = held.passed
	}
	if by == 0 {
		by = overtaking
	}
	due := time.Now().Add(by)
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-passed:
	case <-r.ended:
	case <-a.closing.Done():
		return a.silence(ctx, x, 0)
	case <-ctx.Done():
		if p.repeatable() {
			if late, err := p.again(); err == nil {
				connected(ctx, x)
				a.detach(func() {
					if a.wait(time.Until(due), passed) {
						_ = a.alone(x, passing{late, p.rules}) // the caller does not hear of it
					}
				})
			}
		}
		p.close()
		return ctx.Err()
	}
	if held != nil {
		r.release(x, held)
	}
	return a.pass(ctx, x, p.sending, p.rules)
}

// alone sends a message that has no caller, and throws the answer away.
func (a *messages) alone(x meeting, p passing) error {
	ctx, cancel := context.WithTimeout(a.closing, patience)
	defer cancel()
	err := a.pass(ctx, x, p.sending, p.rules)
	if err == nil {
		p.discard()
	}
	return err
}

// wait waits for d, or until early is closed. It returns false if the network is closed before.
func (a *messages) wait(d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-a.closing.Done():
		return false
	}
	return true
}
