package transaction

import (
	"errors"
	"sync"

	"stasis/internal/apierror"
)

// each calls do for all at the same time, and returns the first error in their order: one that is not a closed gate rather than
// one that is.
func each[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, one := range all {
		group.Go(func() { errs[i] = do(one) })
	}
	group.Wait()
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, apierror.GateClosed) && !errors.Is(err, apierror.GateClosed)) {
			first = err
		}
	}
	return first
}
