package piece

// fileID tells files of one machine apart: of two names with one fileID at one
// moment, both are links of the same file.
type fileID struct{ device, inode uint64 }
