package show

import (
	"maps"
	"slices"
	"strings"

	"stasis/client"
)

// Backups prints a list of backups.
func Backups(r Report, res client.ListResult) {
	for _, server := range res.Unreachable {
		r.Warn("%s did not answer; its pieces count as missing", res.Named([]string{server}))
	}
	if len(res.List) == 0 {
		r.Info(list, "There are no backups available.")
		return
	}
	r.Info(list, "The following backups are available:")
	for _, id := range slices.Sorted(maps.Keys(res.List)) {
		b := res.List[id]
		r.Info(list, " - %s", id)
		r.Info(list, "      version: %s", b.Version)
		r.Info(list, "      date/time: %s", b.DateTime)
		r.Info(list, "      size in bytes: %d", b.SizeInBytes)
		r.Info(list, "      number of files: %d", b.NrFiles)
		r.Info(list, "      number of DBServers: %d", b.NrDBServers)
		r.Info(list, "      number of available pieces: %d", b.NrPiecesPresent)
		r.Info(list, "      potentiallyInconsistent: %t", b.PotentiallyInconsistent)
		if b.LockMode != "" {
			r.Info(list, "      lock mode: %s", b.LockMode)
		}
		r.Info(list, "      available: %t", b.Available)
		if len(b.Missing) > 0 {
			r.Info(list, "      missing pieces of: %s", res.Named(b.Missing))
		}
	}
}

// Created prints what a create has made.
func Created(r Report, res client.CreateResult) {
	switch {
	case res.LockReport.LockMode == client.LockModeNone:
		r.Warn("Lock mode none: no writer was held up, and the DB servers made their cuts at different moments. The backup may be torn, and stays marked as potentially inconsistent.")
	case res.PotentiallyInconsistent:
		r.Warn("Failed to get write lock before proceeding with backup. Backup may contain some inconsistencies.")
	}
	for _, server := range res.Unpublished {
		r.Warn("%s has not published its piece yet and will do so by itself", r.Names.Both(server))
	}
	r.Info(Result, "Backup succeeded. Generated identifier '%s'", res.ID)
	r.Info(Result, "Total size of backup: %d, number of files: %d", res.SizeInBytes, res.NrFiles)
	if res.SigningKey != "" {
		r.Info(Progress, "signed with key %s", res.SigningKey)
	}
	for _, line := range LockReport(res.LockReport) {
		r.Info(Progress, "%s", r.Names.within(line))
	}
}

// Failed prints the lock report of a create that has failed.
func Failed(r Report, report client.LockReport) {
	for _, line := range LockReport(report) {
		r.Warn("%s", r.Names.within(line))
	}
}

// Verified prints what reading a backup again has found.
func Verified(r Report, res client.VerifyResult) {
	for _, server := range slices.Sorted(maps.Keys(res.Pieces)) {
		p := res.Pieces[server]
		r.Info(list, "piece of %s: %d files, %d bytes read", r.Names.Both(p.Source), p.Files, p.Bytes)
	}
	for _, problem := range res.Problems {
		r.Err("%s", problem)
	}
	if res.Certificate != nil {
		for _, line := range LockReport(res.Certificate.History.Lock) {
			r.Info(Progress, "%s", r.Names.within(line))
		}
	}
	signature(r, res.Signature)
	switch {
	case !res.Intact:
		r.Err("'%s' is NOT intact", res.ID)
	case res.PotentiallyInconsistent && asked(res) == client.LockModeNone:
		r.Warn("'%s' is intact, but was asked for with lock mode none: no writer was held up, so a write may be in one piece and missing in another, although it was acknowledged before", res.ID)
	case res.PotentiallyInconsistent:
		r.Warn("'%s' is intact, but was taken without the global lock: it may be no single instant", res.ID)
	case res.Certificate == nil:
		r.Info(Result, "'%s' is intact: the state that a restore set aside", res.ID)
	case asked(res) == client.LockModeCommits:
		r.Info(Result, "'%s' is intact and one instant. Lock mode commits: transactions that were open are not in it, not even in part", res.ID)
	default:
		r.Info(Result, "'%s' is intact and one instant", res.ID)
	}
}

// asked is the lock mode that a backup was asked for with; "" if it does not say.
func asked(res client.VerifyResult) client.LockMode {
	if res.Certificate == nil {
		return ""
	}
	return res.Certificate.History.Lock.LockMode
}

// Transfer prints how every DB server's part of a transfer stands.
func Transfer(r Report, st client.TransferStatus) {
	for _, server := range slices.Sorted(maps.Keys(st.DBServers)) {
		e := st.DBServers[server]
		r.Info(list, "%s Status: %s", r.Names.beside(server), e.Status)
		if p := e.Progress; p != nil {
			r.Info(list, "Last progress update %s: %d/%d files done", p.Time, p.Done, p.Total)
			r.Info(Progress, "%d of %d bytes there, %d sent or fetched, %.0f bytes per second", p.BytesDone, p.BytesTotal, p.BytesMoved, p.BytesPerSecond)
		}
		if e.Error != 0 {
			r.Err("Error: %d", e.Error)
			r.Err("ErrorMessage: %s", e.ErrorMessage)
		}
	}
}

// Transfers prints a list of transfers.
func Transfers(r Report, all map[string]client.TransferStatus) {
	if len(all) == 0 {
		r.Info(list, "There are no transfers.")
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		st := all[id]
		r.Info(list, " - %s: %s of %s, %s", id, st.Kind(), st.BackupID, st.Remote)
		Transfer(r, st)
	}
}

// AtRemote prints a list of the backups at a remote.
func AtRemote(r Report, all []client.RemoteBackup) {
	if len(all) == 0 {
		r.Info(list, "There are no backups at the remote.")
		return
	}
	r.Info(list, "The following backups are at the remote:")
	for _, b := range all {
		r.Info(list, " - %s", b.ID)
		r.Info(list, "      version: %s", b.Version)
		r.Info(list, "      date/time: %s", b.DateTime)
		r.Info(list, "      size in bytes: %d", b.SizeInBytes)
		r.Info(list, "      number of files: %d", b.NrFiles)
		r.Info(list, "      number of DBServers: %d", len(b.Servers)+len(b.Missing))
		r.Info(list, "      potentiallyInconsistent: %t", b.PotentiallyInconsistent)
		r.Info(list, "      complete: %t", b.Complete)
		if len(b.Missing) > 0 {
			r.Info(list, "      missing pieces of: %s", strings.Join(b.Missing, ", "))
		}
		if b.Damaged > 0 {
			r.Info(list, "      damaged files: %d", b.Damaged)
		}
	}
}
