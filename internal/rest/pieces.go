package rest

// Pieces is a text in parts. A large part is kept where it is, and nothing is copied when the
// text grows.
type Pieces struct {
	all  [][]byte
	size int
	own  []byte // the last of all, if Write made it and it may grow in place
}

// PieceBytes is the size of the parts that Write makes.
const PieceBytes = 64 << 10

// Add puts parts at the end. They are not copied and must not change.
func (p *Pieces) Add(parts ...[]byte) {
	for _, part := range parts {
		p.all = append(p.all, part)
		p.size += len(part)
	}
	p.own = nil
}

// Write puts a copy of text at the end. It never fails.
func (p *Pieces) Write(text []byte) (int, error) {
	n := len(text)
	for len(text) > 0 {
		if len(p.own) == cap(p.own) {
			p.own = make([]byte, 0, PieceBytes)
			p.all = append(p.all, nil)
		}
		fits := min(len(text), cap(p.own)-len(p.own))
		p.own = append(p.own, text[:fits]...)
		p.all[len(p.all)-1] = p.own
		text = text[fits:]
		p.size += fits
	}
	return n, nil
}

// Len is the size in bytes.
func (p *Pieces) Len() int { return p.size }
