package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// Call is one request with its answer, as a handler gets them.
type Call struct {
	W     http.ResponseWriter
	R     *http.Request
	DB    string   // of the path's prefix; _system without one
	Args  []string // the parts of the path that the pattern has in braces, in order
	Query url.Values

	bodyBytes int64 // limit of body
}

// Arg returns the i-th part of the path that the pattern has in braces.
func (c *Call) Arg(i int) string { return c.Args[i] }

// Flag returns a boolean of the query, def if the query does not have it, 400/10 if it is
// neither true nor false.
func (c *Call) Flag(name string, def bool) (bool, error) {
	v := strings.ToLower(c.Query.Get(name))
	switch v {
	case "":
		return def, nil
	case "true", "yes", "on", "y", "1":
		return true, nil
	case "false", "no", "off", "n", "0":
		return false, nil
	}
	return false, apierror.New(apierror.BadParameter, "query parameter %s: %q is neither true nor false", name, v)
}

// Number returns a number of the query, 400/10 if it is not one; given is false if the query
// does not have it.
func (c *Call) Number(name string) (n uint64, given bool, err error) {
	v := c.Query.Get(name)
	if v == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(v, 10, 32); err != nil {
		return 0, true, apierror.New(apierror.BadParameter, "%s=%q: want a number", name, v)
	}
	return n, true, nil
}

// Account counts what the request holds of the process's memory.
func (c *Call) Account() *budget.Account { return budget.Of(c.R.Context()) }
