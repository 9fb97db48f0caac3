package budget

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// The default budget is half of the memory that the process may use: the other half is
// the engine's caches, the tree of the agency, and the garbage between two collections.
const (
	leastDefault = 64 << 20
	mostDefault  = 32 << 30
	unknown      = 2 << 30 // bytes of memory that are assumed if the system does not state them
)

// Default is the size of a budget for this process: half of Memory, within bounds.
func Default() int64 { return min(max(Memory()/2, leastDefault), mostDefault) }

// Memory is how many bytes this process may use: the limit of the Go runtime (GOMEMLIMIT)
// if there is one, or else the smallest of the control group's, the process's own limits
// and the machine's memory.
func Memory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return system("/", unknown)
}

// Bounded says whether something smaller than the machine bounds the memory of this
// process, and how.
func Bounded() (int64, bool) {
	least := bounds("/")
	return least, least < math.MaxInt64 && least < machine("/", math.MaxInt64)
}

func system(root string, otherwise int64) int64 {
	if least := min(bounds(root), machine(root, math.MaxInt64)); least < math.MaxInt64 {
		return least
	}
	return otherwise
}

// bounds is the least of what the control groups and the process's own limits allow.
func bounds(root string) int64 {
	least := int64(math.MaxInt64)
	for _, path := range groupFiles(root) {
		least = min(least, number(path))
	}
	return min(least, processLimit())
}

// groupFiles are the files that may have the limit of this process's control groups, of
// version 2 and 1, from its own group up to the root.
func groupFiles(root string) []string {
	raw, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	var files []string
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, name := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if base, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"; !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
		}
		for group := filepath.Clean("/" + parts[2]); ; group = filepath.Dir(group) {
			files = append(files, filepath.Join(root, base, group, name))
			if group == "/" {
				break
			}
		}
	}
	return files
}

// number is the number in a file; the largest int64 if the file has none, or has "max".
func number(path string) int64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}

// machine is the memory of the machine.
func machine(root string, otherwise int64) int64 {
	raw, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return otherwise
	}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			if kb, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return otherwise
}
