package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stasis/event"
)

// watchSteps prints events until the command is interrupted, or the cluster ends.
func watchSteps(ctx context.Context, c *controlled, _ []string) error {
	if err := c.takesFaults(); err != nil {
		return err
	}
	names, err := c.names(ctx)
	if err != nil {
		return err
	}
	events := make(chan event.Event, 1024)
	gap := make(chan struct{})
	see := func(e event.Event) {
		select {
		case events <- e:
		default:
			select {
			case <-gap:
			default:
				close(gap)
			}
		}
	}
	if err := c.Watch(ctx, see); err != nil {
		return err
	}
	for {
		select {
		case e := <-events:
			if err := c.step(e, names); err != nil {
				return err
			}
		case <-gap:
			return errors.New("the terminal takes fewer steps than there are: some were not shown")
		case <-c.Gone():
			return errors.New("the cluster has ended")
		case <-ctx.Done():
			return nil
		}
	}
}

// step prints one step.
func (c *controlled) step(e event.Event, names map[string]string) error {
	if c.json {
		return printJSON(c.out, e)
	}
	text := fmt.Sprintf("%s  %s  %s %s: %s", e.At.Format("15:04:05.000"), e.Emitter, e.Operation, e.ID, e)
	for id, name := range names {
		text = strings.ReplaceAll(text, id, name)
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}
