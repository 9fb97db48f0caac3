package rest

import "stasis/internal/apierror"

// InSystem makes a handler that works in the database _system only. In others it answers
// 403/1230.
func InSystem(h Handler) Handler {
	return func(c *Call) error {
		if c.DB != SystemDatabase {
			return apierror.New(apierror.UseSystemDatabase, "operation only allowed in system database")
		}
		return h(c)
	}
}

// NotSupported is the handler of what clients may ask for and this version lacks. what is a
// subject with its verb: "queries are".
func NotSupported(what string) Handler {
	return func(*Call) error {
		return apierror.New(apierror.NotImplemented, "%s not supported by this version", what)
	}
}
