// Package backup keeps a DB server's pieces: its parts of hot backups, made from
// cuts of the engine, and the engines that restores set aside. It also stages a
// piece as the next engine and puts it in place.
//
// # On disk
//
//	<data>/engine/                    the live engine
//	<data>/engine.restore-<epoch>/    a staged restore: RESTORE.json, engine/
//	<data>/backups/<id>/              a published piece:
//	    META             client.Piece; what List reads
//	    MANIFEST.json    name, size and SHA-256 of every file in engine/; where its replicas stand
//	    AGENCY-DUMP.json the Plan at the cut
//	    CERTIFICATE.json the evidence that the backup is one instant
//	    ATTEMPT          id, nonce and kind of the attempt that made it
//	    engine/          an engine directory, complete in itself
//	<data>/backups/<id>.pending/      a piece that is not published yet
//	<anything>.removed, .tmp          leftovers; the next Open removes them
//
// Files that never change are hard links of the engine's. Everything goes through
// vfs.FS and is published durably: write, sync, rename, sync the folder.
//
// # A piece, step by step
//
//	step      what                                after a crash
//	Prepare   <id>.pending with ATTEMPT; flush    Resolve removes it
//	Cut       content fixed (gate held)           Resolve removes it
//	Link      links, hashes, dump, META; synced   Resolve removes it
//	Seal      CERTIFICATE.json                    Resolve: published if committed, else removed
//	(commit)  in the agency
//	Publish   rename to <id>                      Resolve publishes it
//	Delete    rename to <id>.removed, remove      Open removes the rest
//
// # A restore, step by step
//
//	step        what                                        after a crash
//	Stage       build <staged>.tmp, rename to <staged>      ResolveStaged removes it, unless committed
//	(commit)    in the agency: the epoch
//	FinishSwap  failsafe's .pending folder with ATTEMPT     FinishSwap goes on
//	            engine → failsafe.pending/engine            FinishSwap goes on
//	            staged engine → engine                      FinishSwap goes on
//	            failsafe's META; rename to publish it       FinishSwap goes on
//	            <staged> removed: the swap is finished      nothing left to do
//
// A staged engine has in it what each of its replicas was at the cut, by the backup's
// certificate (replicas.go): its log ends there, or it knows that it was behind.
//
// Which engine stands where is never guessed from which folders exist: a staged
// engine carries a file RESTORED with its epoch and nonce. The engine must be
// closed during FinishSwap and must not be opened while a committed swap is
// unfinished.
//
// # What it does not do
//
// It asks neither the agency nor the gate: whether a backup is committed is told
// to Resolve by its caller. Methods may be called from any goroutine; steps of one
// piece wait for each other, and Drop stops a Link under way.
package backup
