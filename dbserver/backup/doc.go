// Package backup keeps a DB server's pieces: its parts of hot backups, made from cuts of
// the engine, and the engines that restores set aside. It also stages a piece as the
// next engine and puts it in place. One piece in its folder is package piece.
//
// A Store has four rooms over one data directory. They share the layout of the directory
// (home) and the order of steps of one piece (turns), and nothing else:
//
//	Published  list, verify, copy, delete
//	Attempts   prepare, cut, link, seal, publish; what becomes of a pending piece
//	Incoming   pieces that a download brings
//	Restores   stage, swap; what becomes of a staged restore
//
// # On disk
//
//	<data>/engine/                    the live engine
//	<data>/engine.restore-<epoch>/    a staged restore: RESTORE.json, engine/
//	<data>/backups/<id>/              a published piece, see package piece
//	<data>/backups/<id>.pending/      a piece that is not published yet, and ATTEMPT:
//	                                  id, nonce and kind of the attempt that makes it
//	<anything>.removed, .tmp          leftovers; the next Open removes them
//
// Files that never change are hard links of the engine's. Everything goes through vfs.FS
// and is published durably: write, sync, rename, sync the folder.
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
// The replicas in a staged engine are what they were at the cut, by the backup's
// certificate: the log of a replica that was in sync ends there, and any other replica
// knows that it was behind.
//
// The package never guesses from the folders that exist which engine stands where: a
// staged engine carries a file RESTORED with its epoch and nonce. The engine must be
// closed during FinishSwap, and must not be opened while a committed swap is unfinished.
//
// # What it does not do
//
// It asks neither the agency nor the gate: its caller tells Resolve whether a backup is
// committed. Methods may be called from any goroutine. Steps of one piece wait for each
// other, no longer than their contexts allow, and Drop stops a Link that runs.
package backup
