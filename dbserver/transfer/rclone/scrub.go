package rclone

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
)

// harmless are options whose values may be seen: without them nobody could tell what
// an error is about.
var harmless = []string{
	"type", "provider", "vendor", "region", "location_constraint", "endpoint", "host", "port", "url", "auth_url",
	"remote", "share", "container", "storage_class", "env_auth", "force_path_style",
}

// blackedOut stands for what is not shown.
const blackedOut = "***"

// scrubber takes the values of a configuration out of text.
type scrubber struct{ words []string }

// learn adds the values of a section, in every form in which they may be met. What
// rclone knows to be no secret and too short to be told from other text stays.
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
			if plain, err := obscure.Reveal(value); password && err == nil {
				s.add(plain)
			}
		}
	}
	// The longest first: one may be part of another.
	slices.SortFunc(s.words, func(a, b string) int { return len(b) - len(a) })
}

func (s *scrubber) add(word string) {
	if len(word) < 3 {
		return // in every other word
	}
	for _, form := range []string{
		word, url.QueryEscape(word), url.PathEscape(word),
		base64.StdEncoding.EncodeToString([]byte(word)), base64.URLEncoding.EncodeToString([]byte(word)),
	} {
		if !slices.Contains(s.words, form) {
			s.words = append(s.words, form)
		}
	}
}

func (s *scrubber) text(t string) string {
	for _, word := range s.words {
		t = strings.ReplaceAll(t, word, blackedOut)
	}
	return t
}

// error is err's text alone: what it wraps could be printed by somebody.
func (s *scrubber) error(err error) error { return errors.New(s.text(err.Error())) }
