package list

import "stasis/client"

// Request lists all backups, or those with the given ids.
type Request struct {
	IDs []string // nil: all
}

// What a list answers.
type (
	Result = client.ListResult
	Entry  = client.ListedBackup // of a Result
)
