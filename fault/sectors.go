package fault

import "slices"

// sectorSize is what a disk writes whole or not at all.
const sectorSize = 512

// span is a part of a file: from, up to but without to.
type span struct{ from, to int }

// sectors are sectors of a file, as spans of their numbers that neither overlap nor touch, in order.
type sectors []span

// add adds the sectors that have a byte of a part of the file.
func (s *sectors) add(from, to int) {
	more := span{from / sectorSize, (to + sectorSize - 1) / sectorSize}
	list := *s
	i, _ := slices.BinarySearchFunc(list, more.from, func(r span, at int) int { return r.to - at }) // the first that is not before it
	j := i
	for ; j < len(list) && list[j].from <= more.to; j++ {
		more.from, more.to = min(more.from, list[j].from), max(more.to, list[j].to)
	}
	*s = slices.Replace(list, i, j, more)
}

// ranges are the parts of a file of so many bytes that the sectors make up.
func (s sectors) ranges(size int) []span {
	var list []span
	for _, r := range s {
		if part := (span{r.from * sectorSize, min(r.to*sectorSize, size)}); part.from < part.to {
			list = append(list, part)
		}
	}
	return list
}

// each calls do for every sector.
func (s sectors) each(do func(sector int)) {
	for _, r := range s {
		for i := r.from; i < r.to; i++ {
			do(i)
		}
	}
}
