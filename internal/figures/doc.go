// Command figures measures the code's shape: how long functions and files are, how many
// fields and methods a type has where they can be reached, how densely the code is
// commented, and how far the files of a folder are from an order in which each uses only
// those below it. `make figures` runs it on the whole module.
//
// Only files that are part of the build are measured; tests are counted apart. The aims
// are those of CONTRIBUTING: the command prints what exceeds them and fails for none.
package main
