// Package signingkey keeps the private key with which a cluster signs the certificates of its
// backups: in a file of one user, and in the memory of the coordinators. Nothing else has it.
//
// The file is PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
package signingkey
