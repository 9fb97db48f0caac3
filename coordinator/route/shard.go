package route

import "stasis/internal/shardkey"

// ShardIndex chooses one of n shards for a document key: FNV-1a over the key's
// bytes, 64 bits, mixed so that all bits count, modulo n. It decides where a
// document is looked for, so it must never change for existing data.
//
// It is for collections that are spread by their keys alone. Where other attributes are shard keys,
// their values decide (internal/shardkey).
func ShardIndex(key string, n int) int {
	return int(shardkey.HashOfKey(key) % uint64(n))
}
