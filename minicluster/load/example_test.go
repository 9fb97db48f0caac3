package load_test

import (
	"encoding/json"
	"fmt"
	"time"

	"stasis/minicluster/load"
)

// The first write of chain a had been acknowledged before the first of chain b began. A state that has the
// second without the first is that of no instant.
func ExampleCheck() {
	doc := func(chain string) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"chain":%q,"n":1}`, chain)) }
	chains := []load.Chain{
		{Name: "a", Ops: []load.Op{{N: 1, Collection: "orders", Key: "a1", Doc: doc("a"), Begin: 1 * time.Second, End: 2 * time.Second, Acked: true}}},
		{Name: "b", Ops: []load.Op{{N: 1, Collection: "orders", Key: "b1", Doc: doc("b"), Begin: 3 * time.Second, End: 4 * time.Second, Acked: true}}},
	}
	torn := load.State{"orders": {"b1": doc("b")}}
	_, err := load.Check(chains, torn, 0, 10*time.Second)
	fmt.Println("one instant:", err == nil)

	whole := load.State{"orders": {"a1": doc("a"), "b1": doc("b")}}
	v, err := load.Check(chains, whole, 0, 10*time.Second)
	fmt.Println("one instant:", err == nil, "- writes present:", v.Present)
	// Output:
	// one instant: false
	// one instant: true - writes present: 2
}
