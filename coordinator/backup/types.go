package backup

import (
	"stasis/client/certificate"
	"stasis/coordinator/backup/create"
	"stasis/coordinator/backup/list"
	"stasis/coordinator/backup/remove"
	"stasis/coordinator/backup/restore"
	"stasis/coordinator/backup/transfer"
	"stasis/coordinator/backup/verify"
)

// The requests and results of the commands, under one roof for the users of this package.
// Each is defined where the command is.
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
	TransferServerStatus = transfer.ServerStatus // of a TransferStatus

	LockReport = certificate.LockReport

	StatusPeers = restore.StatusPeers
)

// Defaults of a CreateRequest.
const (
	DefaultLockWait   = create.DefaultLockWait
	DefaultLockGrowth = create.DefaultLockGrowth
)
