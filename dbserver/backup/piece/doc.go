// Package piece knows one piece of a backup as it is in a folder: its files, its
// manifest, and whether all of it is as it was made.
//
//	META              client.Piece; what a list of pieces reads
//	MANIFEST.json     name, size and SHA-256 of every file in engine/; where its replicas stand
//	AGENCY-DUMP.json  the Plan at the cut
//	CERTIFICATE.json  the evidence that the backup is one instant; a failsafe has none
//	engine/           an engine directory, complete in itself
//
// META has the hashes of the manifest and the dump, so each byte of the piece is covered by META. All
// three are durable before the folder gets the name under which it is published.
//
// Disk is the file system through which all of this is written durably: write, sync,
// rename, sync the folder.
//
// The package knows neither a server nor the agency. Which folders there are, and what
// their names mean, is the business of dbserver/backup.
package piece
