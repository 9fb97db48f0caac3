// Package users answers requests on users, logins and access tokens. Authentication is off:
// users do not exist, and credentials are not checked. Drivers log in all the same, so the
// login is answered as ArangoDB 3.12 answers it when its authentication is off. What would
// make believe that a password protects something is refused.
package users

import (
	"encoding/json"
	"net/http"

	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// noUsers is the answer to requests about users.
const noUsers = "users, passwords and access tokens are not supported by this version: authentication is off, so they would protect nothing"

// Routes returns the paths that the package answers.
func Routes() []rest.Route {
	routes := []rest.Route{
		{Method: "POST", Pattern: "/_open/auth", Handler: logIn, Transaction: rest.Aside},
		{Method: "POST", Pattern: "/_open/auth/renew", Handler: func(*rest.Call) error {
			return apierror.New(apierror.UserNotFound, "there is no token to renew: authentication is off")
		}},
	}
	refuse := func(*rest.Call) error { return apierror.New(apierror.NotImplemented, noUsers) }
	for _, pattern := range []string{
		"/_api/user", "/_api/user/{user}", "/_api/user/{user}/database", "/_api/user/{user}/database/{database}",
		"/_api/user/{user}/database/{database}/{collection}", "/_api/user/{user}/config", "/_api/user/{user}/config/{key}",
		"/_api/token/{user}", "/_api/token/{user}/{id}",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			routes = append(routes, rest.Route{Method: method, Pattern: pattern, Handler: refuse})
		}
	}
	return routes
}

// Bounds of the time for which a login may ask its token to be valid, in seconds.
const (
	minExpiry = 10
	maxExpiry = 3600
)

// logIn answers with a token that is not valid. Clients send it with their requests as they
// would a valid one, and it is ignored.
func logIn(c *rest.Call) error {
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	var body struct {
		Username, Password *string
		ExpiryTime         *float64
	}
	if err := json.Unmarshal(raw, &body); err != nil || body.Password == nil {
		return apierror.New(apierror.BadRequest, "a login needs the strings username and password; expiryTime, if it is there, is a number")
	}
	if body.Username == nil {
		return apierror.New(apierror.Unauthorized, "the login names no user")
	}
	if e := body.ExpiryTime; e != nil && (*e < minExpiry || *e > maxExpiry) {
		return apierror.New(apierror.BadRequest, "expiryTime %g: want %d to %d seconds", *e, minExpiry, maxExpiry)
	}
	return c.Answer(http.StatusOK, rest.Fields{"jwt": "invalid"})
}

// New is a user with which a database is to be created.
type New struct {
	Password string `json:"passwd"`
}

// RefusePasswords returns an error if a user has a password, which would protect nothing.
// Users without one can do what every client can do.
func RefusePasswords(users []New) error {
	for _, u := range users {
		if u.Password != "" {
			return apierror.New(apierror.NotImplemented, noUsers)
		}
	}
	return nil
}
