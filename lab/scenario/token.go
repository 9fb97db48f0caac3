package scenario

import (
	"regexp"
	"strings"
)

// token is one word of a sentence.
type token struct {
	text   string // without quotes
	quoted bool
}

var label = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

var words = regexp.MustCompile(`"[^"]*"|,|<->|->|<(?:\s|$)|[^\s,"]+`)

// tokens cuts a sentence into words. ok is false if a quote is not closed.
func tokens(text string) (all []token, ok bool) {
	if strings.Count(text, `"`)%2 != 0 {
		return nil, false
	}
	for _, w := range words.FindAllString(text, -1) {
		w = strings.TrimSpace(w)
		if strings.HasPrefix(w, `"`) {
			all = append(all, token{text: strings.Trim(w, `"`), quoted: true})
		} else {
			all = append(all, token{text: w})
		}
	}
	return all, true
}

// joined is the text of words as a value of an argument.
func joined(all []token) string {
	var b strings.Builder
	for i, t := range all {
		if i > 0 && t.text != "," {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// nearest is the candidate that a misspelt word most likely means; "" if none is near.
func nearest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	if best == word {
		return ""
	}
	return best
}

// distance is Levenshtein's, with the swap of two neighbours as one change.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// DidYouMean ends a message about a word that is none: with the candidate that is like it, or with nothing.
func DidYouMean(word string, candidates []string) string { return didYouMean(word, candidates) }

// didYouMean is the end of an error text; "" if nothing is near.
func didYouMean(word string, candidates []string) string {
	if c := nearest(word, candidates); c != "" {
		return "; did you mean " + quote(c) + "?"
	}
	return ""
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func quote(s string) string { return "`" + s + "`" }
