package budget

// Values counts the values of a JSON text that lie at most depth levels deep, including its
// arrays and objects at those levels. The length of the text does not show what each of them
// costs beyond its text. Values allocates nothing. For a text that is no JSON it returns any
// number, at most one for each byte.
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
