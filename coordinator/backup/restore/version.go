package restore

import (
	"fmt"
	"strconv"
	"strings"
)

// checkVersion is the version rule of a restore: the major version must be the same, the cluster's
// minor version equal or higher; the patch version does not matter.
func checkVersion(backup, cluster string) error {
	bMajor, bMinor, err := majorMinor(backup)
	if err != nil {
		return err
	}
	cMajor, cMinor, err := majorMinor(cluster)
	if err != nil {
		return err
	}
	if bMajor != cMajor || cMinor < bMinor {
		return fmt.Errorf("a backup of version %s cannot be restored by version %s (ignoreVersion restores it all the same)", backup, cluster)
	}
	return nil
}

func majorMinor(v string) (major, minor int, err error) {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 {
		return 0, 0, fmt.Errorf("version %q: want major.minor.patch", v)
	}
	if major, err = strconv.Atoi(parts[0]); err == nil {
		minor, err = strconv.Atoi(parts[1])
	}
	if err != nil {
		return 0, 0, fmt.Errorf("version %q: want major.minor.patch: %w", v, err)
	}
	return major, minor, nil
}
