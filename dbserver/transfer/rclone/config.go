package rclone

import "stasis/dbserver/transfer/rclone/noconfig"

// rclone's packages are initialised by now, and have made no folder. (There is no call that
// could do this instead: the program may end without any.)
func init() { noconfig.Done() }
