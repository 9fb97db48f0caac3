package anomaly

// Name is the name of an anomaly.
type Name string

// The anomalies.
const (
	G0         Name = "G0"
	G1a        Name = "G1a"
	G1b        Name = "G1b"
	G1c        Name = "G1c"
	LostUpdate Name = "lost update"
	GSingle    Name = "G-single"
	G2         Name = "G2"
	Internal   Name = "internal"
	Duplicate  Name = "duplicate"
	Garbage    Name = "garbage"
	Order      Name = "incompatible order"
	Gap        Name = "gap"
)

// Allowed says whether transactions of Stasis may show the anomaly.
func (n Name) Allowed() bool { return n == GSingle || n == G2 }

// Outcome is what is known of how a transaction ended.
type Outcome int

// The outcomes.
const (
	Committed Outcome = iota
	Aborted
	Unknown // it is taken for committed if somebody saw what it appended
)

// Op is a read of a list, or an append to it.
type Op struct {
	Key     string
	Append  bool
	Element int   // that is appended; no other append has it
	Saw     []int // what a read saw; what an append appended to
}

// Txn is a transaction. What it saw counts only if it is Committed.
type Txn struct {
	Name     string // for people
	Outcome  Outcome
	Ops      []Op // in their order
	Snapshot bool // it reads one instant, and appends nothing
}

// Found is an anomaly that a history has.
type Found struct {
	Name  Name
	Count int    // how often, at least
	Text  string // the first one
}

// findings collects anomalies by their names.
type findings struct {
	all []Found
}

func (f *findings) add(n Name, text string) {
	for i := range f.all {
		if f.all[i].Name == n {
			f.all[i].Count++
			return
		}
	}
	f.all = append(f.all, Found{n, 1, text})
}
