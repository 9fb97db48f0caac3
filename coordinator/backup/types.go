package backup

import (
	"stasis/client"
	"stasis/coordinator/backup/create"
	"stasis/coordinator/backup/list"
	"stasis/coordinator/backup/remove"
	"stasis/coordinator/backup/restore"
	"stasis/coordinator/backup/transfer"
	"stasis/coordinator/backup/verify"
)

// The requests and results of the commands. Requests are defined where the command is,
// results in package client.
type (
	CreateRequest  = create.Request
	CreateResult   = create.Result
	RestoreRequest = restore.Request
	RestoreResult  = restore.Result
	DeleteResult   = remove.Result
	ListRequest    = list.Request
	ListResult     = list.Result
	Entry          = list.Entry // of a ListResult
	VerifyResult   = verify.Result

	TransferStatus       = transfer.Status
	TransferServerStatus = client.ServerTransfer // of a TransferStatus

	StatusPeers = restore.StatusPeers
)
