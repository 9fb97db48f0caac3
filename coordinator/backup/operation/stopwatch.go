package operation

import (
	"context"
	"time"
)

// Stage is one named part of a protocol.
type Stage struct {
	Name string
	Do   func(context.Context) error
}

// Lap is how long one stage took.
type Lap struct {
	Stage string
	Took  time.Duration
}

// Stopwatch runs stages and keeps how long each took.
type Stopwatch struct{ Laps []Lap }

// Run runs the stages in order, until one fails or ctx ends. A stage that fails has no lap.
func (w *Stopwatch) Run(ctx context.Context, stages []Stage) error {
	for _, s := range stages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		start := time.Now()
		if err := s.Do(ctx); err != nil {
			return err
		}
		w.Laps = append(w.Laps, Lap{s.Name, time.Since(start)})
	}
	return nil
}
