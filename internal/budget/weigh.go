package budget

// Values counts the values of a JSON text that lie at most depth levels deep, its arrays
// and objects at those levels included: what each of them costs beyond its text is not to
// be seen from the length. It needs no memory. Of a text that is no JSON it counts
// something, at most one for each byte.
func Values(raw []byte, depth int) int64 {
	n, level, quoted := int64(1), 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
			if c == '\\' {
				i++
			}
		case c == ',':
			if level <= depth {
				n++
			}
		case c == '[' || c == '{':
			if level++; level <= depth {
				n++
			}
		case c == ']' || c == '}':
			level--
		}
	}
	return n
}
