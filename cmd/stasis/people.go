package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
)

var (
	firstNames = []string{"Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Jim", "Ken", "Leslie", "Lynn", "Nancy", "Niklaus", "Radia", "Robin", "Tony"}
	lastNames  = []string{"Allen", "Backus", "Conway", "Dijkstra", "Gray", "Hoare", "Hopper", "Lamport", "Liskov", "Lovelace", "Lynch", "Milner", "Perlman", "Ritchie", "Thompson", "Wirth"}
	cities     = []string{"Aarhus", "Bergen", "Cologne", "Delft", "Graz", "Kyiv", "Lyon", "Porto", "Turin", "Uppsala"}
	likes      = []string{"boxing", "chess", "cooking", "fishing", "reading", "running", "sailing", "ski", "swimming"}
)

// writePeople writes n invented people as JSON lines; the same ones each time.
func writePeople(out io.Writer, n int) error {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	enc := json.NewEncoder(out)
	for i := range n {
		first, last := pick(firstNames), pick(lastNames)
		err := enc.Encode(map[string]any{
			"_key":     fmt.Sprintf("p%06d", i),
			"name":     map[string]string{"first": first, "last": last},
			"birthday": fmt.Sprintf("%d-%02d-%02d", 1940+rng.IntN(70), 1+rng.IntN(12), 1+rng.IntN(28)),
			"contact": map[string]any{
				"city":  pick(cities),
				"email": []string{fmt.Sprintf("%s.%s.%d@example.org", first, last, i)},
			},
			"likes": []string{pick(likes), pick(likes)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
