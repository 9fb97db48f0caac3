package rclone

import "stasis/internal/apierror"

// refusal is an error that says why a configuration is not used. It never has a value
// of the configuration in it.
func refusal(format string, args ...any) error {
	return apierror.New(apierror.BadRemote, format, args...)
}

const operatorsFile = "define the remote in the file of --backup.remotes and give its name"
