package shard

import (
	"encoding/binary"
	"fmt"

	"stasis/dbserver/engine"
)

const clockName = "clock"

// StoreIn keeps a clock's bound in an engine.
func StoreIn(e *engine.Engine) ClockStore { return engineClock{e} }

type engineClock struct{ e *engine.Engine }

func (c engineClock) ClockBound() (uint64, error) {
	value, found, err := c.e.SystemGet(clockName)
	if err != nil || !found {
		return 0, err
	}
	if len(value) != timeBytes {
		return 0, fmt.Errorf("stored clock has %d bytes", len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func (c engineClock) StoreClockBound(bound uint64) error {
	return c.e.SystemSet(clockName, binary.BigEndian.AppendUint64(nil, bound))
}
