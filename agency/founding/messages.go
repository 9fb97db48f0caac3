package founding

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"stasis/agency/keys"
	"stasis/agency/learner"
	"stasis/agency/origin"
)

// Call is what an agent with an empty directory tells when it asks.
type Call struct {
	ID   string `json:"id"`
	Seed string `json:"seed"`
}

// Answer is what it is told.
type Answer struct {
	ID    string            `json:"id"`
	Seed  string            `json:"seed"`
	Peers map[string]string `json:"peers"`
	Met   map[string]string `json:"met,omitempty"`
	// Founded is there if the agent belongs to an agency. Then Voters are its members as this
	// agent knows them, and Leader is the id of the leader, "" if it is not known.
	Founded *origin.Founded `json:"founded,omitempty"`
	Voters  []string        `json:"voters,omitempty"`
	Leader  string          `json:"leader,omitempty"`
}

// originOf is the agency that members with these seeds found.
func originOf(members, seeds map[string]string) keys.Origin {
	var all strings.Builder
	for _, id := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(&all, "%q %q %q\n", id, members[id], seeds[id])
	}
	return keys.Origin{Agency: uuid.NewHash(sha256.New(), uuid.NameSpaceURL, []byte(all.String()), 8).String(), Incarnation: 1}
}

// Alone is the agency that an agent founds by itself.
func Alone(self string, peers map[string]string) origin.Founded {
	seeds := map[string]string{self: learner.NewSeed()}
	return origin.Founded{Origin: originOf(peers, seeds), Members: peers, Seeds: seeds}
}
