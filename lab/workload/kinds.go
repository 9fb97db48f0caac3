package workload

// kinds are the workloads by name.
var kinds = map[string]struct {
	make func() kind
	text string
}{
	"bank": {func() kind { return bank{} },
		"clients move money between accounts: take from one, and once that is acknowledged give to another; money is lost from sight only while it is on its way"},
	"chain": {func() kind { return chain{} },
		"each client writes one numbered document after the other, half of them new ones across all shards, half one and the same: what is there is the beginning of each chain, without a hole"},
}
