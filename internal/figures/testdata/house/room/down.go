package room

type down struct{ count int }

// wide has a parameter too many.
func wide(a, b, c, d, e, f int) *base {

	return nil // beside code it is code
}

func (d down) use() { (&base{}).two() }
