package demo

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

type person struct {
	Key      string   `json:"_key"`
	Name     name     `json:"name"`
	Birthday string   `json:"birthday"`
	Contact  contact  `json:"contact"`
	Likes    []string `json:"likes"`
}

type name struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

type contact struct {
	City  string   `json:"city"`
	Email []string `json:"email"`
}

// writePeople writes n invented people as JSON lines; the same ones each time.
func writePeople(out io.Writer, n int) error {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	enc := json.NewEncoder(out)
	for i := range n {
		first, last := pick(firstNames), pick(lastNames)
		one := person{
			Key: fmt.Sprintf("p%06d", i), Name: name{first, last},
			Birthday: fmt.Sprintf("%d-%02d-%02d", 1940+rng.IntN(70), 1+rng.IntN(12), 1+rng.IntN(28)),
			Contact:  contact{pick(cities), []string{fmt.Sprintf("%s.%s.%d@example.org", first, last, i)}},
			Likes:    []string{pick(likes), pick(likes)},
		}
		if err := enc.Encode(one); err != nil {
			return err
		}
	}
	return nil
}
