package keys

import (
	"fmt"
	"strconv"
	"strings"
)

// OriginHeader carries the origin of an agency in every answer of an agent, and that of
// the agency that a client follows in its requests.
const OriginHeader = "X-Stasis-Agency"

// OnceHeader marks a request whose client ids are of this request and its repetitions alone: an
// agent applies none of them a second time. Without it, client ids do not deduplicate.
const OnceHeader = "X-Stasis-Once"

// OriginNote is the file of a data directory, of a DB server or a coordinator, that says
// which agency the server follows.
const OriginNote = "AGENCY"

// Origin says which agency an agent, a directory or a snapshot belongs to. Two that have the same
// origin have the same history.
type Origin struct {
	// Agency is a UUID, made when the agency was founded and never changed.
	Agency string `json:"agency"`
	// Incarnation is 1 at first. A recovery from one survivor and a restore from a
	// snapshot raise it: what the agency knew last may be lost then.
	Incarnation uint64 `json:"incarnation"`
	// Founding is drawn when the incarnation is raised: two survivors that were both
	// recovered, by mistake, are not one agency.
	Founding string `json:"founding,omitempty"`
}

// LegacyOrigin is that of directories from before there were origins.
var LegacyOrigin = Origin{Agency: "00000000-0000-0000-0000-000000000000", Incarnation: 1}

// Kinship is how an origin relates to another.
type Kinship int

// The kinds of kinship.
const (
	Same    Kinship = iota
	Older           // of the same agency, before a recovery
	Newer           // of the same agency, after a recovery
	Foreign         // of another agency, or of another recovery of this one
)

// Exists says whether it names an agency.
func (o Origin) Exists() bool { return o.Agency != "" }

// Sees says how the other origin relates to o.
func (o Origin) Sees(other Origin) Kinship {
	switch {
	case o == other:
		return Same
	case o.Agency != other.Agency || o.Incarnation == other.Incarnation:
		return Foreign
	case other.Incarnation < o.Incarnation:
		return Older
	}
	return Newer
}

// String is the origin for people.
func (o Origin) String() string {
	if !o.Exists() {
		return "no agency"
	}
	if o.Founding == "" {
		return fmt.Sprintf("agency %s, incarnation %d", o.Agency, o.Incarnation)
	}
	return fmt.Sprintf("agency %s, incarnation %d (%s)", o.Agency, o.Incarnation, o.Founding)
}

// Text is the origin in a header, "" if it names no agency.
func (o Origin) Text() string {
	if !o.Exists() {
		return ""
	}
	return o.Agency + "/" + strconv.FormatUint(o.Incarnation, 10) + "/" + o.Founding
}

// ParseOrigin reads what Text wrote.
func ParseOrigin(text string) (Origin, error) {
	if text == "" {
		return Origin{}, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" {
		return Origin{}, fmt.Errorf("%q is not an origin of an agency: want agency/incarnation/founding", text)
	}
	incarnation, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil || incarnation == 0 {
		return Origin{}, fmt.Errorf("%q is not an origin of an agency: want agency/incarnation/founding", text)
	}
	return Origin{Agency: parts[0], Incarnation: incarnation, Founding: parts[2]}, nil
}
