package network

import (
	"time"
)

// Memory is a network in memory.
type Memory struct{}

func NewMemory() *Memory                                         { return &Memory{} }
func (m *Memory) Host(name string) Network                       { return nil }
func (m *Memory) Cut(from, to string)                            {}
func (m *Memory) Heal(from, to string)                           {}
func (m *Memory) Isolate(host string)                            {}
func (m *Memory) Rejoin(host string)                             {}
func (m *Memory) HealAll()                                       {}
func (m *Memory) Delay(from, to string, d time.Duration)         {}
func (m *Memory) Throttle(from, to string, bytesPerSecond int64) {}
func (m *Memory) Drop(from, to string)                           {}
func (m *Memory) Reset(a, b string)                              {}
func (m *Memory) Freeze(host string)                             {}
func (m *Memory) Thaw(host string)                               {}
func (m *Memory) Close() error                                   { return nil }
