package transfer

import (
	"errors"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Why a job ends early.
var (
	errAborted   = errors.New("the transfer was aborted")
	errClosing   = errors.New("this server is stopping")
	errOverruled = errors.New("another process has ended this part of the transfer")
)

// numbered gives an error the number that clients know.
func numbered(err error, kind string) error {
	failed := apierror.BackupUpload
	if kind == keys.TransferDownload {
		failed = apierror.BackupDownload
	}
	for _, kept := range []apierror.Num{
		apierror.NoSpace, apierror.NoSuchBackup, apierror.BackupConflict, apierror.BadRemote, apierror.BackupTopology,
	} {
		if errors.Is(err, kept) {
			return apierror.New(kept, "%w", err)
		}
	}
	if errors.Is(err, apierror.FileNotFound) {
		return apierror.New(apierror.NoSuchBackup, "%w", err)
	}
	return apierror.New(failed, "%w", err)
}

// badRemote gives an error of a remote its number, if it has none.
func badRemote(err error) error {
	var e *apierror.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return apierror.New(apierror.BadRemote, "%w", err)
}
