package rclone

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"stasis/dbserver/transfer/rclone/egress"
	"stasis/dbserver/transfer/storage"
)

// What a remote answers is the remote's text. A client that may choose the remote could read
// in its errors what only the server reaches. An error therefore comes back as what this
// side knows (a refusal, a network error) or as a status. Of any other text one short line
// is left, without what is quoted in it.

// told is an error whose whole text comes from this program.
type told struct{ text string }

func (e told) Error() string { return e.text }

func own(format string, args ...any) error { return told{fmt.Sprintf(format, args...)} }

// explain returns an error of rclone in this program's words.
func (o *opening) explain(err error) error {
	if forbidden := o.atGate(err); forbidden != nil {
		return forbidden
	}
	return told{o.secret.text(describe(err))}
}

// throughGate finds where a connection was to go in the text of rclone's SOCKS clients.
var throughGate = regexp.MustCompile(`socks connect tcp \S+?->(\S+?): `)

// atGate is why the gate made no connection; nil if it did not refuse one. The text of
// rclone's error has only the number that SOCKS has for the reason.
func (o *opening) atGate(err error) error {
	for _, forbidden := range []error{o.pass.Forbidden(), err} {
		if errors.Is(forbidden, egress.ErrForbidden) {
			return o.forbidden(forbidden)
		}
	}
	found := throughGate.FindStringSubmatch(err.Error())
	if found == nil {
		return nil
	}
	switch reason := o.pass.Reason(found[1]); {
	case reason == nil:
		return nil
	case errors.Is(reason, egress.ErrForbidden):
		return o.forbidden(reason)
	default:
		return told{o.secret.text("connect to " + found[1] + ": " + describe(reason))}
	}
}

// forbidden is a refusal of the gate, which is this program's own text.
func (o *opening) forbidden(err error) error {
	_, why, _ := strings.Cut(err.Error(), egress.ErrForbidden.Error())
	return fmt.Errorf("%w: %w%s", storage.ErrFinal, egress.ErrForbidden, o.secret.text(why))
}

// describe is the text of an error without what a remote said, but its status.
func describe(err error) string {
	var mine told
	if errors.As(err, &mine) {
		return mine.text
	}
	if text := status(err); text != "" {
		return text
	}
	if text := local(err); text != "" {
		return text
	}
	if oauth.MatchString(err.Error()) { // what follows is the server's
		return "the OAuth server gives no token"
	}
	return shortLine(err.Error())
}

// local says what went wrong on this side of the connection.
func local(err error) string {
	var (
		dns       *net.DNSError
		number    syscall.Errno
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("look up %s: %s", shortLine(dns.Name), map[bool]string{true: "no such host", false: "the name servers do not answer"}[dns.IsNotFound])
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &authority):
		return "the certificate of the remote is signed by an unknown authority"
	case errors.As(err, &name):
		return "the certificate of the remote is for another host"
	case errors.As(err, &invalid):
		return "the certificate of the remote is not valid"
	case errors.As(err, &record):
		return "the remote does not speak TLS"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the remote does not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the remote closed the connection"
	}
	return ""
}

// status is the number with which a remote refused, in the form of its protocol.
func status(err error) string {
	var ftp *textproto.Error
	if errors.As(err, &ftp) {
		return fmt.Sprintf("FTP status %d", ftp.Code)
	}
	number := 0
	for _, e := range chain(err) {
		if number = httpStatus(e); number != 0 {
			break
		}
	}
	if number == 0 {
		number = writtenStatus(err.Error())
	}
	if number == 0 {
		return sftpStatus.FindString(err.Error())
	}
	text := strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", number, http.StatusText(number)))
	if code := errorCode(err); code != "" {
		text += " (" + code + ")"
	}
	return text
}

var (
	sftpStatus = regexp.MustCompile(`SSH_FX_[A-Z_]{2,40}`)
	httpText   = regexp.MustCompile(`\b([45]\d\d)\b`)
	httpNumber = regexp.MustCompile(`(?i)\bhttp (?:error|status)\D{0,3}([1-9]\d\d)\b`)
	oauth      = regexp.MustCompile(`(?:couldn't|cannot) fetch token`)
	plainCode  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{1,40}$`)
)

// chain is an error with all that it wraps.
func chain(err error) []error {
	all := []error{err}
	for i := 0; i < len(all) && len(all) < 100; i++ {
		switch e := all[i].(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				all = append(all, inner)
			}
		case interface{ Unwrap() []error }:
			all = append(all, e.Unwrap()...)
		}
	}
	return all
}

// httpStatus is the status in an error of one of the many libraries: a method, or a
// field.
func httpStatus(err error) int {
	if e, ok := err.(interface{ HTTPStatusCode() int }); ok {
		return inRange(int64(e.HTTPStatusCode()))
	}
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct {
		return 0
	}
	for _, field := range []string{"StatusCode", "Code"} {
		if f := v.FieldByName(field); f.IsValid() && f.CanInt() {
			if n := inRange(f.Int()); n != 0 {
				return n
			}
		}
	}
	return 0
}

func inRange(n int64) int {
	if n < 100 || n > 599 {
		return 0
	}
	return int(n)
}

// writtenStatus finds a status that is followed by its name in a text.
func writtenStatus(text string) int {
	for _, at := range httpText.FindAllStringIndex(text, -1) {
		n, err := strconv.Atoi(text[at[0]:at[1]])
		if err == nil && http.StatusText(n) != "" && strings.HasPrefix(text[at[1]:], " "+http.StatusText(n)) {
			return n
		}
	}
	if found := httpNumber.FindStringSubmatch(text); found != nil {
		n, _ := strconv.Atoi(found[1]) // three digits
		return n
	}
	return 0
}

// errorCode is the word that S3 and Azure have for an error beside the status. It is
// the remote's, so it must be one word.
func errorCode(err error) string {
	for _, e := range chain(err) {
		code := ""
		if c, ok := e.(interface{ ErrorCode() string }); ok {
			code = c.ErrorCode()
		} else if v := reflect.Indirect(reflect.ValueOf(e)); v.Kind() == reflect.Struct {
			if f := v.FieldByName("ErrorCode"); f.IsValid() && f.Kind() == reflect.String {
				code = f.String()
			}
		}
		if plainCode.MatchString(code) {
			return code
		}
	}
	return ""
}

// longestLine bounds what is left of a text, in characters.
const longestLine = 160

// quotedParts are what an error quotes: answers, above all.
var quotedParts = regexp.MustCompile("\"[^\"]*\"|\\B'[^']*'|`[^`]*`") // the apostrophe of a word begins no quote

// openQuotes begin what is quoted and does not end: the rest of the line.
var openQuotes = regexp.MustCompile("(?:[\"`<{\\[]|\\B').*")

// shortLine leaves the beginning of a text, in one line.
func shortLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = quotedParts.ReplaceAllString(text, "…")
	text = openQuotes.ReplaceAllString(text, "…")
	if i := strings.Index(strings.ToLower(text), "body"); i >= 0 {
		text = text[:i] + "body …"
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longestLine {
		text = strings.TrimSpace(string(runes[:longestLine])) + "…"
	}
	return text
}
