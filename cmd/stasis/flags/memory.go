package flags

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/dbserver/engine"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// Memory bound what clients can make a server hold.
type Memory struct {
	budget      Size
	MaxBody     Size
	connections Count
	Outside     int64 // bytes that the role takes outside of the Go runtime's memory
}

// Add adds the flags to a command.
func (m *Memory) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&m.budget, "http.memory", "memory that the bodies and answers of all requests may take together, as a `size` such as 512M or 4G, 64M or more; beyond it requests are answered 503. Default: half of GOMEMLIMIT, or else of the memory of the control group or machine")
	f.Var(&m.MaxBody, "http.max-body", "largest body of one request, decompressed, as a `size` such as 64M; beyond it a request is answered 413. Default: 512M for a coordinator, except for imports; 256M for a DB server; 64M for an agent")
	f.Var(&m.connections, "http.max-connections", "`number` of connections that may be open at once; if there are more, the one that has been idle longest is closed. Default: one for each 128K of --http.memory, at most 16384")
}

// leastMemory is what the largest document needs on its way.
const leastMemory = 64 << 20

// Limits makes the settings, and has the runtime collect garbage before the memory that
// there is runs out.
func (m *Memory) Limits(logger hclog.Logger) (network.Limits, error) {
	if m.budget != 0 && m.budget < leastMemory {
		return network.Limits{}, fmt.Errorf("--http.memory %s: want 64M or more", m.budget.String())
	}
	BoundMemory(m.Outside)
	bytes := int64(m.budget)
	if bytes == 0 {
		bytes = budget.Default()
	}
	logger.Debug("memory", "requests", bytes, "process", budget.Memory())
	if of := budget.Memory(); bytes > of {
		logger.Warn("--http.memory is more than the memory that this process may use: it protects nothing", "given", m.budget.String(), "memory in bytes", of)
	}
	return network.Limits{Budget: budget.New(bytes), Connections: int(m.connections)}.WithDefaults(), nil
}

// BoundMemory has the runtime collect garbage before a container's memory runs out, unless
// GOMEMLIMIT has said when to. The runtime gets two thirds: the rest is what it has not
// given back yet, stacks, and the program itself. outside is what is allocated besides it.
func BoundMemory(outside int64) {
	if limit, ok := budget.Bounded(); ok && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(max(limit/3*2-outside, leastMemory))
	}
}

// EngineMemory is what a DB server's engine may take, outside of the runtime's memory: a
// quarter of what there is, and no more than the engine's defaults.
func EngineMemory() (total int64, o engine.Options) {
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
