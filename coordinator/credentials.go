package coordinator

import (
	"encoding/json"
	"net/http"

	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Authentication is off: there are no users, and credentials are not checked. Drivers
// log in all the same, so the login is answered as the reference answers it then. What
// would make believe that a password protects something is refused.

// noUsers is what a request is told that is about users.
const noUsers = "users, passwords and access tokens are not supported by this version: authentication is off, so they would protect nothing"

func (a *api) credentialRoutes() []rest.Route {
	routes := []rest.Route{
		{Method: "POST", Pattern: "/_open/auth", Handler: logIn},
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

// Bounds of how long a token is asked to be valid, in seconds.
const (
	minExpiry = 10
	maxExpiry = 3600
)

// logIn gives the token that is none. Clients send it back as they would another.
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
		return apierror.New(apierror.BadRequest, "a login needs a user name and a password, both strings, and perhaps an expiryTime, a number")
	}
	if body.Username == nil {
		return apierror.New(apierror.Unauthorized, "the login names no user")
	}
	if e := body.ExpiryTime; e != nil && (*e < minExpiry || *e > maxExpiry) {
		return apierror.New(apierror.BadRequest, "expiryTime %g: want %d to %d seconds", *e, minExpiry, maxExpiry)
	}
	return c.Answer(http.StatusOK, rest.Fields{"jwt": "invalid"})
}

// newUser is a user that a database is to be created with.
type newUser struct {
	Password string `json:"passwd"`
}

// refusePasswords refuses users whose password would protect nothing. Users without one
// can do what every client can.
func refusePasswords(users []newUser) error {
	for _, u := range users {
		if u.Password != "" {
			return apierror.New(apierror.NotImplemented, noUsers)
		}
	}
	return nil
}
