package sums

import "time"

// savePause is how long the Book waits for more sums before it writes its file, and as long again for each
// savedTables in the file: it is written as a whole.
const (
	savePause   = 5 * time.Second
	savedTables = 4096
)

// Run keeps the file up to date until Stop.
func (b *Book) Run() {
	defer close(b.done)
	for running := true; running; {
		select {
		case <-b.wake:
			running = b.pause()
		case <-b.stop:
			running = false
		}
		if err := b.save(); err != nil {
			b.log.Warn("the sums of tables are not on disk: after a restart the next backup reads these tables", "error", err)
		}
	}
}

// pause returns false when Stop was called.
func (b *Book) pause() bool {
	timer := time.NewTimer(savePause * time.Duration(1+len(b.stored)/savedTables))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.stop:
		return false
	}
}

// Stop lets Run save once more and waits for its end. It is called once.
func (b *Book) Stop() {
	if b != nil {
		close(b.stop)
		<-b.done
	}
}
