package fsm

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// maxSeconds bounds a time to live so that no sum of times overflows.
const maxSeconds = 1 << 42

// lifetime says when a value that is being set expires.
type lifetime struct {
	milliseconds int64
	base         int64 // counted from here if based, otherwise from the command's time
	based        bool
}

// readLifetime reads ttl (seconds) and epoch_millis, nil if there is no ttl.
func readLifetime(a attributes) (*lifetime, error) {
	if _, ok := a.raw("ttl"); !ok {
		return nil, nil
	}
	ttl, err := a.element("ttl")
	if err != nil {
		return nil, err
	}
	l := &lifetime{}
	switch ttl.kind {
	case kindInt:
		l.milliseconds = max(-maxSeconds, min(int64(ttl.bits), maxSeconds)) * 1000
	case kindDouble:
		seconds := max(-maxSeconds, min(math.Float64frombits(ttl.bits), maxSeconds))
		l.milliseconds = int64(math.Trunc(seconds * 1000))
	default:
		return nil, fmt.Errorf("%w: ttl", errAttributeT)
	}
	if _, l.based = a.raw("epoch_millis"); l.based {
		base, err := a.element("epoch_millis")
		if err != nil {
			return nil, err
		}
		var ok bool
		if l.base, ok = base.Int(); !ok || l.base < 0 || l.base > maxSeconds*1000 {
			return nil, fmt.Errorf("%w: epoch_millis", errAttributeT)
		}
	}
	return l, nil
}

// end is when the value expires if it is set at clock.
func (l lifetime) end(clock int64) int64 {
	if l.based {
		return l.base + l.milliseconds
	}
	return clock + l.milliseconds
}

// lifetimes are the ends of the nodes that expire, by path and by time.
type lifetimes struct {
	ends ordered[int64]
	due  ordered[string] // dueKey → path

	weight uint64
}

// dueKey sorts by time, then path.
func dueKey(path string, end int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(end)^1<<63)) + path
}

func (l lifetimes) with(path string, end int64) lifetimes {
	l = l.drop(path)
	return lifetimes{l.ends.with(path, end), l.due.with(dueKey(path, end), path), l.weight + lifetimeWeight(path)}
}

func (l lifetimes) drop(path string) lifetimes {
	end, ok := l.ends.find(path)
	if !ok {
		return l
	}
	return lifetimes{l.ends.without(path), l.due.without(dueKey(path, end)), l.weight - lifetimeWeight(path)}
}

// lifetimeWeight is that of an end: both indexes have the path.
func lifetimeWeight(path string) uint64 { return 2 * (pathWeight + uint64(len(path))) }

// dropBelow forgets what lies below path.
func (l lifetimes) dropBelow(path string) lifetimes {
	below := strings.TrimSuffix(path, "/") + "/"
	rest := l
	for other := range l.ends.from(below) {
		if !strings.HasPrefix(other, below) {
			break
		}
		if other != path {
			rest = rest.drop(other)
		}
	}
	return rest
}

// dropFrom forgets path and what lies below it.
func (l lifetimes) dropFrom(path string) lifetimes { return l.dropBelow(path).drop(path) }

// endedBy lists the paths whose time is over at now, first those that ended first.
func (l lifetimes) endedBy(now int64) []string {
	var paths []string
	for key, path := range l.due.all() {
		if key > dueKey("\xff", now) {
			break
		}
		paths = append(paths, path)
	}
	return paths
}
