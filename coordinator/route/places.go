package route

// places says on which shards the documents of a request are, in a collection with other shard keys than _key. Nil: the key of
// each document says it.
type places struct {
	index []int // in Collection.ShardNames, by operation

	first  int             // the first operation whose document was not found because a shard did not answer, and
	silent map[string]bool // the shards that did not answer; nil: there is none
}

// done is the place of an operation that has its result already.
const done = -1

// settled says whether an operation has its result without being sent.
func (p *places) settled(i int) bool { return p != nil && p.index[i] == done }

// blocked says whether an operation would overtake one before it, which may be about a document on this shard and was not sent.
func (p *places) blocked(shard string, i int) bool { return p != nil && p.silent[shard] && i > p.first }

// fail adds the shards that did not answer to those that later batches spare.
func (p *places) fail(failed Failed) {
	if p == nil || failed == nil {
		return
	}
	for shard := range p.silent {
		failed[shard] = true
	}
}
