package route

// ShardIndex chooses one of n shards for a document key: FNV-1a over the key's
// bytes, 64 bits, mixed so that all bits count, modulo n. It decides where a
// document is looked for, so it must never change for existing data.
func ShardIndex(key string, n int) int {
	const offset, prime = 0xcbf29ce484222325, 0x100000001b3
	h := uint64(offset)
	for i := range len(key) {
		h ^= uint64(key[i])
		h *= prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int(h % uint64(n))
}
