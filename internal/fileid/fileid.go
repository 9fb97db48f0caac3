// Package fileid tells the files of one machine apart, whatever their names are.
package fileid

// ID is one file. Of two names with one ID at one moment, both are links of the same file. The number of
// a file that is gone may be given to another one.
type ID struct{ Device, Inode uint64 }

// info is what the package needs of a description of a file.
type info interface{ Sys() any }
