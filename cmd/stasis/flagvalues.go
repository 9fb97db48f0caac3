package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// Set reads 1048576, 1024K, 1M, 1MB or 1MiB.
func (s *size) Set(text string) error {
	n, unit, ok := parseSize(text)
	if !ok {
		return errors.New("want a number of bytes above 0, or one with the unit K, M, G or T, such as 512M")
	}
	*s = size(n * unit)
	return nil
}

// Type is shown in the usage.
func (s *size) Type() string { return "size" }

// megabytes is a size whose unit is M if none is given.
type megabytes struct{ size }

// Set reads 256, 256M or 1G.
func (m *megabytes) Set(text string) error {
	n, unit, ok := parseSize(text)
	if unit == 1 {
		unit = 1 << 20
	}
	if !ok || n > math.MaxInt64/unit || unit < 1<<20 {
		return errors.New("want a number of megabytes above 0, or one with the unit M, G or T, such as 512M")
	}
	m.size = size(n * unit)
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

// count is a number of things above 0.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Set reads a whole number.
func (c *count) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return errors.New("want a whole number above 0")
	}
	*c = count(n)
	return nil
}

// Type is shown in the usage.
func (c *count) Type() string { return "number" }

// flagError says what a flag wants, where the library says which of its functions failed.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	want := invalid.Unwrap().Error()
	switch flag.Value.Type() {
	case "int", "int64":
		want = "want a whole number"
	case "duration":
		want = "want a time with its unit, such as 500ms, 10s or 2m"
	case "bool":
		want = "want true or false"
	}
	return fmt.Errorf("--%s %q: %s", flag.Name, invalid.GetValue(), want)
}

// usage says how a command is called when it is called with too many or too few arguments.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return fmt.Errorf("%s: %d arguments given; usage: %s", cmd.CommandPath(), len(args), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
}
