package room

// base is reached through embedding.
type base struct {
	a, b int
	c    string
}

func (base) one()  {}
func (*base) two() {}

// top uses down.go, which uses this file.
type top struct {
	*base
	d down
}

func (top) three() {}
