package rclone

import (
	"sync"

	"github.com/rclone/rclone/fs"
)

// mostListed bounds how many objects a remote remembers.
const mostListed = 20000

// listed remembers immutable objects that a list has shown, each to be opened once without
// a further call.
type listed struct {
	mu     sync.Mutex
	byName map[string]fs.Object
}

func (l *listed) remember(o fs.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName == nil {
		l.byName = map[string]fs.Object{}
	}
	if len(l.byName) < mostListed {
		l.byName[o.Remote()] = o
	}
}

func (l *listed) take(name string) (o fs.Object, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, known = l.byName[name]
	delete(l.byName, name)
	return o, known
}

// forget is called when an object is replaced or removed here. When another server
// replaces immutable content, which was damaged then, a reader that has listed it before
// may still see the old object, as if it had read earlier.
func (l *listed) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byName, name)
}
