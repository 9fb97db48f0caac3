// Package transactions answers requests on stream transactions, and has other requests join the one that their header names.
//
// The id of a transaction says which coordinator has begun it. A request that reaches another one is passed on to it as it is, once:
// to which, and what its answer was. Lists, and the end of all that write, are asked of all coordinators.
package transactions

import (
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/coordinator/transaction"
)

// API answers. All fields are required.
type API struct {
	ID           string // of this coordinator
	Catalog      *catalog.Catalog
	Transactions *transaction.Manager
	HTTP         *http.Client // to the other coordinators
}
