package bulk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// read renders all items on one line each: position, then document, "empty" or error number.
func read(body string, o Options) (string, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1000
	}
	r, err := NewReader(iotest.OneByteReader(strings.NewReader(body)), o)
	if err != nil {
		return "", err
	}
	var out []string
	for {
		item, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return strings.Join(out, " "), nil
		case err != nil:
			return strings.Join(out, " "), err
		case item.Empty:
			out = append(out, fmt.Sprintf("%d:empty", item.Position))
		case item.Err != nil:
			out = append(out, fmt.Sprintf("%d:!%d", item.Position, apierror.From(item.Err).Num))
		default:
			out = append(out, fmt.Sprintf("%d:%s", item.Position, item.Document))
		}
	}
}

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		name   string
		format Format
		body   string
		want   string
	}{
		{"lines", formatLines, "{\"a\":1}\n{\"b\":2}\n", `1:{"a":1} 2:{"b":2}`},
		{"last line open", formatLines, "{\"a\":1}\n{\"b\":2}", `1:{"a":1} 2:{"b":2}`},
		{"carriage returns", formatLines, "{\"a\":1}\r\n{\"b\":2}\r\n", `1:{"a":1} 2:{"b":2}`},
		{"empty lines", formatLines, "\n  \n{}\n\n", `1:empty 2:empty 3:{} 4:empty`},
		{"nothing", formatLines, "", ``},
		{"broken lines go on", formatLines, "{\n7\n{\"x\":\xff}\n{} {}\n{}\n", `1:!600 2:7 3:!600 4:!600 5:{}`},
		{"list", formatList, " [ {\"a\": 1} ,\n 7, \"x\"]", `1:{"a": 1} 2:7 3:"x"`},
		{"array", formatArray, "[]", ``},
		{"auto list", formatAuto, "\n [{}]", `1:{}`},
		{"auto lines", formatAuto, "{}\n{}\n", `1:{} 2:{}`},
		{"auto nothing", formatAuto, "", ``},
		{"header", formatHeader, "[\"a\",\"<\"]\n[1,\"x\"]\n\n[1]\n{}\n[1,2,3]\n", `2:{"a":1,"<":"x"} 3:empty 4:!10 5:!10 6:!10`},
	} {
		got, err := read(test.body, Options{Format: test.format})
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, strings.ReplaceAll(got, `\u003c`, "<"), test.name)
	}
	got, err := read("[\"a\",\"b\"]\n[1]\n[1,2,3]\n", Options{Format: formatHeader, IgnoreMissing: true})
	require.NoError(t, err)
	require.Equal(t, `2:{"a":1} 3:{"a":1,"b":2}`, got)
}

func TestRefusedBodies(t *testing.T) {
	for _, test := range []struct {
		format Format
		body   string
		num    apierror.Num
		read   string
	}{
		{"what", "", apierror.BadParameter, ""},
		{formatList, "{}", apierror.BadParameter, ""},
		{formatList, "", apierror.BadParameter, ""},
		{formatHeader, "{}\n", apierror.BadParameter, ""},
		{formatHeader, "[1]\n", apierror.BadParameter, ""},
		{formatHeader, "", apierror.BadParameter, ""},
		{formatList, "[{},{", apierror.CorruptedJSON, "1:{}"},
		{formatList, "[{},{}", apierror.CorruptedJSON, "1:{} 2:{}"},
		{formatList, "[{} {}]", apierror.CorruptedJSON, "1:{}"},
		{formatList, "[{}] x", apierror.CorruptedJSON, "1:{}"},
	} {
		got, err := read(test.body, Options{Format: test.format})
		require.ErrorIs(t, err, test.num, "%s %q", test.format, test.body)
		require.Equal(t, test.read, got)
	}
	_, err := NewReader(iotest.ErrReader(errors.New("cut off")), Options{Format: formatLines, MaxBytes: 9})
	require.NoError(t, err)
}

// One document has a limit, the body has none.
func TestDocumentLimit(t *testing.T) {
	fits, large := `{"a":"`+strings.Repeat("x", 80)+`"}`, `{"a":"`+strings.Repeat("x", 200)+`"}`
	for _, test := range []struct {
		format    Format
		body, got string
	}{
		{formatLines, fits + "\n" + fits + "\n" + large + "\n", "1:" + fits + " 2:" + fits},
		{formatList, "[" + fits + "," + fits + "," + large + "]", "1:" + fits + " 2:" + fits},
		{formatAuto, "[" + fits + "," + large + "]", "1:" + fits},
	} {
		got, err := read(test.body, Options{Format: test.format, MaxBytes: 100})
		require.ErrorIs(t, err, apierror.EntityTooLarge)
		require.Equal(t, test.got, got)
	}
	many := "[" + strings.Repeat(fits+",", 1000) + fits + "]"
	got, err := read(many, Options{Format: formatList, MaxBytes: 100})
	require.NoError(t, err)
	require.Contains(t, got, "1001:")
}

// A body that breaks off is an error, not a short import.
func TestBodyBreaksOff(t *testing.T) {
	cut := io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(errors.New("cut off")))
	r, err := NewReader(cut, Options{Format: formatLines, MaxBytes: 100})
	require.NoError(t, err)
	_, err = r.Next()
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, apierror.BadRequest)
	require.ErrorContains(t, err, "cut off")
}
