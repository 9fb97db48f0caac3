package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"stasis/client"
)

// importBatchBytes keeps a request short.
const importBatchBytes = 1 << 20

// batch is some whole lines.
type batch struct {
	lines  []byte
	before int   // lines of the file before these
	err    error // instead: reading failed
}

// failed says what is known of a batch without a result.
func (b batch) failed(err error) error {
	var answer *client.Error
	if errors.As(err, &answer) {
		return fmt.Errorf("lines %d and following: %w", b.before+1, err)
	}
	return fmt.Errorf("lines %d to %d: no answer, so it is not known which of them are in the collection: %w",
		b.before+1, b.before+bytes.Count(b.lines, []byte("\n")), err)
}

// readBatches reads until the input or ctx ends. Reading cannot be interrupted, so
// after ctx has ended the goroutine may live until there is input, or the process
// ends; it touches nothing then.
func readBatches(ctx context.Context, in io.Reader) <-chan batch {
	batches := make(chan batch)
	go func() {
		defer close(batches)
		lines, before := bufio.NewReaderSize(in, 1<<16), 0
		for {
			text, err := readBatch(lines)
			b := batch{lines: text, before: before}
			before += bytes.Count(text, []byte("\n"))
			if err != nil && err != io.EOF {
				b = batch{err: fmt.Errorf("reading: %w", err)}
			}
			if len(b.lines) > 0 || b.err != nil {
				select {
				case batches <- b:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return batches
}

// atLines says where the lines that were refused stand in the file; the server has
// counted those of its batch, which begins after so many.
func atLines(details []string, before int) []string {
	for i, d := range details {
		var line int
		if _, err := fmt.Sscanf(d, "at position %d:", &line); err == nil {
			_, said, _ := strings.Cut(d, ": ")
			details[i] = fmt.Sprintf("line %d: %s", before+line, said)
		}
	}
	return details
}

// readBatch reads whole lines until there is enough.
func readBatch(in *bufio.Reader) ([]byte, error) {
	var batch []byte
	for len(batch) < importBatchBytes {
		line, err := in.ReadBytes('\n')
		batch = append(batch, line...)
		if err != nil {
			return batch, err
		}
	}
	return batch, nil
}
