package fsm

import "slices"

// observer is the registration, or its end, of a callback to url.
type observer struct {
	url  string
	gone bool
}

// apply registers the callback at path or drops it; repeats change nothing.
func (o observer) apply(all ordered[[]string], path string) ordered[[]string] {
	urls, _ := all.find(path)
	at, known := slices.BinarySearch(urls, o.url)
	switch {
	case known == !o.gone:
		return all
	case !o.gone:
		return all.with(path, slices.Insert(slices.Clone(urls), at, o.url))
	case len(urls) == 1:
		return all.without(path)
	default:
		return all.with(path, slices.Delete(slices.Clone(urls), at, at+1))
	}
}
