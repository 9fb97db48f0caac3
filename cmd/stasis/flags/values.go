package flags

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes as people write it: 1048576, 1024K, 1M, 1MB or 1MiB.
type Size int64

// String is the size with the largest unit that divides it.
func (s *Size) String() string {
	n, unit := int64(*s), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

// Set reads 1048576, 1024K, 1M, 1MB or 1MiB.
func (s *Size) Set(text string) error {
	n, unit, ok := parseSize(text)
	if !ok {
		return errors.New("want a number of bytes above 0, or one with the unit K, M, G or T, such as 512M")
	}
	*s = Size(n * unit)
	return nil
}

// Type is shown in the usage.
func (s *Size) Type() string { return "size" }

// Megabytes is a size whose unit is M if none is given.
type Megabytes struct{ Size }

// Set reads 256, 256M or 1G.
func (m *Megabytes) Set(text string) error {
	n, unit, ok := parseSize(text)
	if unit == 1 {
		unit = 1 << 20
	}
	if !ok || n > math.MaxInt64/unit || unit < 1<<20 {
		return errors.New("want a number of megabytes above 0, or one with the unit M, G or T, such as 512M")
	}
	m.Size = Size(n * unit)
	return nil
}

// parseSize gives number and unit; their product is no larger than an int64 holds.
func parseSize(text string) (n, unit int64, ok bool) {
	number := strings.ToUpper(strings.TrimSpace(text))
	unit = 1
	if i := strings.IndexAny(number, "KMGT"); i >= 0 {
		switch number[i+1:] {
		case "", "B", "IB":
		default:
			return 0, 1, false
		}
		number, unit = number[:i], 1<<(10*(strings.IndexByte("KMGT", number[i])+1))
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n, unit, err == nil && n > 0 && n <= math.MaxInt64/unit
}

// Count is a whole number above 0.
type Count int

// String is the number in digits.
func (c *Count) String() string { return strconv.Itoa(int(*c)) }

// Set reads a whole number.
func (c *Count) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return errors.New("want a whole number above 0")
	}
	*c = Count(n)
	return nil
}

// Type is shown in the usage.
func (c *Count) Type() string { return "number" }
