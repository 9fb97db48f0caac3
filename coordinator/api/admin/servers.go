package admin

import (
	"encoding/json"
	"net/http"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/rest"
)

// numberOfServers answers how many servers administrators want, and which are cleaned out.
func (a *API) numberOfServers(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	f := rest.Fields{"numberOfDBServers": nil, "numberOfCoordinators": nil, "cleanedServers": []string{}}
	for name, key := range map[string]string{"numberOfDBServers": keys.NumberOfDBS, "numberOfCoordinators": keys.NumberOfCoords} {
		if n, ok := snap.Node(key).Int(); ok {
			f[name] = n
		}
	}
	var cleaned []string
	if snap.Node(keys.CleanedServers).Decode(&cleaned) == nil && cleaned != nil {
		f["cleanedServers"] = cleaned
	}
	return c.OK(http.StatusOK, f)
}

// setNumberOfServers notes how many servers administrators want. Stasis does not act on the
// numbers.
func (a *API) setNumberOfServers(c *rest.Call) error {
	var body map[string]json.RawMessage
	if err := c.Object(&body); err != nil {
		return err
	}
	tx := agencyclient.Tx{Ops: map[string]any{}}
	for name, key := range map[string]string{"numberOfDBServers": keys.NumberOfDBS, "numberOfCoordinators": keys.NumberOfCoords} {
		raw, given := body[name]
		if !given {
			continue
		}
		var n *uint32
		if json.Unmarshal(raw, &n) != nil {
			return badParameter("%s: want a number, or null", name)
		}
		tx.Ops[key] = agencyclient.Set(n)
	}
	if raw, given := body["cleanedServers"]; given {
		cleaned := []string{}
		if json.Unmarshal(raw, &cleaned) != nil || cleaned == nil {
			return badParameter("cleanedServers: want an array of ids")
		}
		tx.Ops[keys.CleanedServers] = agencyclient.Set(cleaned)
	}
	if len(tx.Ops) == 0 {
		return badParameter("want numberOfDBServers, numberOfCoordinators or cleanedServers")
	}
	if err := a.write(c.R.Context(), tx); err != nil {
		return agencyError(err)
	}
	return c.OK(http.StatusOK, nil)
}
