package main

import (
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/dbserver/engine"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// memoryFlags bound what clients can make a server hold.
type memoryFlags struct {
	budget      size
	maxBody     size
	connections int
	outside     int64 // bytes that the role takes outside of the Go runtime's memory
}

func (m *memoryFlags) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&m.budget, "http.memory", "memory that the bodies and answers of all requests may take together, as a `size` (512M, 4G); beyond it requests are answered 503. Default: half of GOMEMLIMIT, or else of the memory of the control group or machine")
	f.Var(&m.maxBody, "http.max-body", "largest body of one request, decompressed, as a `size`. Default: 512M of a coordinator, imports excepted; 256M of a DB server; 64M of an agent")
	f.IntVar(&m.connections, "http.max-connections", 0, "`connections` that may be open at once; beyond them the one that has been without a request for longest is closed. Default: one for each 128 KiB of --http.memory, at most 16384")
}

// leastMemory is what the largest document needs on its way.
const leastMemory = 64 << 20

// limits makes the settings, and has the runtime collect garbage before the memory that
// there is runs out.
func (m *memoryFlags) limits(logger hclog.Logger) (network.Limits, error) {
	switch {
	case m.budget != 0 && m.budget < leastMemory:
		return network.Limits{}, fmt.Errorf("--http.memory %s: want %s or more", m.budget.String(), "64M")
	case m.connections < 0:
		return network.Limits{}, fmt.Errorf("--http.max-connections %d: want a number above 0", m.connections)
	}
	boundMemory(m.outside)
	bytes := int64(m.budget)
	if bytes == 0 {
		bytes = budget.Default()
	}
	logger.Debug("memory", "requests", bytes, "process", budget.Memory())
	return network.Limits{Budget: budget.New(bytes), Connections: m.connections}.WithDefaults(), nil
}

// boundMemory has the runtime collect garbage before a container's memory runs out, unless
// GOMEMLIMIT has said when to. The runtime gets two thirds: the rest is what it has not
// given back yet, stacks, and the program itself. outside is what is allocated besides it.
func boundMemory(outside int64) {
	if limit, ok := budget.Bounded(); ok && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(max(limit/3*2-outside, leastMemory))
	}
}

// engineMemory is what a DB server's engine may take, outside of the runtime's memory: a
// quarter of what there is, and no more than the engine's defaults.
func engineMemory() (total int64, o engine.Options) {
	of := budget.Memory()
	if limit, ok := budget.Bounded(); ok {
		of = min(of, limit)
	}
	o.CacheBytes = min(of/8, engine.DefaultCacheBytes)
	o.MemTableBytes = uint64(max(min(of/32, engine.DefaultMemTableBytes), leastMemTable))
	return o.CacheBytes + memTables*int64(o.MemTableBytes), o
}

const (
	memTables     = 4 // that there can be at once
	leastMemTable = 4 << 20
)

// size is a number of bytes as people write it.
type size int64

// String is the size with the largest unit that divides it.
func (s *size) String() string {
	n, unit := int64(*s), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

// Set reads 1048576, 1024K, 1M or 1MiB.
func (s *size) Set(text string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(text)), "B"), "I")
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			number, shift = number[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > 1<<62>>shift {
		return fmt.Errorf("%q is no size: want a number of bytes, or one with K, M, G or T", text)
	}
	*s = size(n << shift)
	return nil
}

// Type is shown in the usage.
func (s *size) Type() string { return "size" }
