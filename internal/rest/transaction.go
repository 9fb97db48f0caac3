package rest

// TransactionHeader names the stream transaction that a request is part of.
const TransactionHeader = "X-Arango-Trx-Id"

// TransactionUse says what becomes of a request whose header names a stream transaction.
type TransactionUse int

const (
	// ReadsOnly is a request that has nothing to do with documents. One that reads is answered as without the header. One that
	// changes something is refused: the change would stay although the transaction is aborted.
	ReadsOnly TransactionUse = iota
	Joins                    // its work is part of the transaction
	Aside                    // it reads the header itself, or changes nothing that could be part of a transaction
)
