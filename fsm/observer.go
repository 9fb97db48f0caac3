package fsm

import "slices"

// observer is the registration, or its end, of a callback to url.
type observer struct {
	url  string
	gone bool
}

// observers are the URLs that are told of changes: path → urls, sorted.
type observers struct {
	ordered[[]string]
	weight uint64
}

// apply registers the callback at path or drops it; repeats change nothing.
func (o observer) apply(all observers, path string) observers {
	urls, _ := all.find(path)
	at, known := slices.BinarySearch(urls, o.url)
	weight := observerWeight(path, o.url)
	switch {
	case known == !o.gone:
		return all
	case !o.gone:
		return observers{all.with(path, slices.Insert(slices.Clone(urls), at, o.url)), all.weight + weight}
	case len(urls) == 1:
		return observers{all.without(path), all.weight - weight}
	default:
		return observers{all.with(path, slices.Delete(slices.Clone(urls), at, at+1)), all.weight - weight}
	}
}

// observerWeight is that of one registration.
func observerWeight(path, url string) uint64 {
	return pathWeight + uint64(len(path)) + uint64(len(url))
}
