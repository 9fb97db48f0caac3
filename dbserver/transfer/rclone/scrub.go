package rclone

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
)

// harmless are options whose values may be seen: without them a reader could not tell what
// an error is about.
var harmless = []string{
	"type", "provider", "vendor", "region", "location_constraint", "endpoint", "host", "port", "url", "auth_url",
	"remote", "share", "container", "storage_class", "env_auth", "force_path_style",
}

// blackedOut replaces what is not shown.
const blackedOut = "***"

// scrubber removes the values of a configuration from text.
type scrubber struct {
	words   []string
	encoded []string // in base64, perhaps with neighbours
}

// learn adds the values of a section, in every form in which they may appear. It leaves out
// values that rclone knows to be no secret and that are too short to be told from other
// text.
func (s *scrubber) learn(info *fs.RegInfo, section map[string]string) {
	for option, value := range section {
		o := info.Options.Get(option)
		password := o != nil && o.IsPassword
		if u, err := url.Parse(value); err == nil && u.User != nil {
			s.add(u.User.String())
			s.add(u.User.Username())
			if p, set := u.User.Password(); set {
				s.add(p)
			}
		}
		switch {
		case value == "" || slices.Contains(harmless, option):
		case password || o == nil || o.Sensitive || len(value) >= 8:
			s.add(value)
			for _, part := range parts(value) {
				s.add(part)
			}
			if plain, err := obscure.Reveal(value); password && err == nil {
				s.add(plain)
			}
		}
	}
	s.sort()
}

// parts are what a value is made of, where it is not one word: headers are a list,
// tokens and service accounts are JSON, keys have lines. A remote may repeat one of
// them alone.
func parts(value string) []string {
	var found []string
	var tree any
	if json.Unmarshal([]byte(value), &tree) == nil {
		found = texts(tree, nil)
	}
	found = append(found, strings.FieldsFunc(strings.ReplaceAll(value, `\n`, "\n"), func(r rune) bool { return strings.ContainsRune(",;\n\r", r) })...)
	return slices.DeleteFunc(found, func(p string) bool { return p == value || len(strings.TrimSpace(p)) < shortestPart })
}

// shortestPart is the shortest part of a value that is taken for a secret of its own.
const shortestPart = 4

// texts are the strings in JSON.
func texts(tree any, found []string) []string {
	switch v := tree.(type) {
	case string:
		found = append(found, v)
	case []any:
		for _, e := range v {
			found = texts(e, found)
		}
	case map[string]any:
		for _, e := range v {
			found = texts(e, found)
		}
	}
	return found
}

func (s *scrubber) add(word string) {
	word = strings.TrimSpace(word)
	if len(word) < 3 {
		return // in every other word
	}
	forms := []string{word, url.QueryEscape(word), url.PathEscape(word), html.EscapeString(word), hex.EncodeToString([]byte(word))}
	forms = append(forms, strings.Trim(strconv.Quote(word), `"`), strings.Trim(strconv.QuoteToASCII(word), `"`))
	if quoted, err := json.Marshal(word); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	s.words, s.encoded = merge(s.words, forms), merge(s.encoded, encoded(word))
}

func merge(into, more []string) []string {
	for _, m := range more {
		if !slices.Contains(into, m) {
			into = append(into, m)
		}
	}
	return into
}

// encoded are the forms of base64 in which a word may be met, also as a part of what
// was encoded, such as <user>:<password>: then it begins at the first, second or third
// of three bytes, and the digits at its ends belong to its neighbours too.
func encoded(word string) []string {
	var forms []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms = append(forms, e.EncodeToString([]byte(word)))
		for before := range 3 {
			if whole := len(word) - (3-before)%3; whole >= 3 {
				middle := word[len(word)-whole:]
				forms = append(forms, e.EncodeToString([]byte(middle[:whole-whole%3])))
			}
		}
	}
	return slices.DeleteFunc(forms, func(f string) bool { return len(f) < shortestPart })
}

func (s *scrubber) text(t string) string {
	for _, word := range s.words {
		t = strings.ReplaceAll(t, word, blackedOut)
	}
	for _, word := range s.encoded {
		t = scrubEncoded(t, word)
	}
	return t
}

// scrubEncoded takes out a word with the digits around it that it shares with its
// neighbours.
func scrubEncoded(t, word string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(t, word)
		if !found {
			break
		}
		for range 3 {
			before = strings.TrimSuffix(before, lastDigit(before))
			after = strings.TrimPrefix(after, firstDigit(after))
		}
		b.WriteString(before + blackedOut)
		t = after
	}
	return b.String() + t
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="

func firstDigit(t string) string {
	if t != "" && strings.IndexByte(base64Digits, t[0]) >= 0 {
		return t[:1]
	}
	return ""
}

func lastDigit(t string) string {
	if t != "" && strings.IndexByte(base64Digits, t[len(t)-1]) >= 0 {
		return t[len(t)-1:]
	}
	return ""
}

// learnPath adds a remote's path and the parts of it: a client may have put a secret
// there.
func (s *scrubber) learnPath(path string) {
	s.add(path)
	for _, part := range strings.Split(path, "/") {
		if len(part) >= shortestPart {
			s.add(part)
		}
	}
	s.sort()
}

// sort puts the longest first: one may be part of another.
func (s *scrubber) sort() {
	longest := func(a, b string) int { return len(b) - len(a) }
	slices.SortFunc(s.words, longest)
	slices.SortFunc(s.encoded, longest)
}
