package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// maintenanceFor is how long a maintenance lasts if the request does not say it.
const maintenanceFor = time.Hour

// maxMaintenance bounds it. Later times cannot be written as text.
const maxMaintenance = 10 * 365 * 24 * time.Hour

// mode answers with the supervision's mode.
func (a *API) mode(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	return c.Result(http.StatusOK, modeIn(snap))
}

func modeIn(snap *catalog.Snapshot) string {
	if mode := snap.Node(keys.SupervisionMode).Text(); mode != "" {
		return mode
	}
	return keys.ModeNormal
}

// setMode pauses the supervision or lets it work, and answers when the supervision has taken
// notice.
func (a *API) setMode(c *rest.Call) error {
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	lasts, err := modeWanted(raw)
	if err != nil {
		return err
	}
	tx := agencyclient.Tx{Ops: map[string]any{keys.Maintenance: agencyclient.Delete()}}
	want, warning := keys.ModeNormal, "Cluster supervision reactivated."
	if lasts > 0 {
		until := a.Wall.After(lasts)
		tx.Ops[keys.Maintenance] = agencyclient.Set(until)
		want = keys.ModeMaintenance
		warning = "Cluster supervision deactivated. It will be reactivated automatically at " + until + " unless this call is repeated until then."
	}
	if err := a.write(c.R.Context(), tx); err != nil {
		return agencyError(err)
	}
	if err := a.await(c.R.Context(), "the supervision has not changed its mode", func(snap *catalog.Snapshot) bool { return modeIn(snap) == want }); err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"warning": warning})
}

// modeWanted reads "on", "off", or a number of seconds; zero is off.
func modeWanted(raw json.RawMessage) (time.Duration, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	switch text {
	case "on":
		return maintenanceFor, nil
	case "off":
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= maxMaintenance.Seconds()) {
		return 0, badParameter(`maintenance: want "on", "off" or a number of seconds`)
	}
	return time.Duration(n * float64(time.Second)), nil
}

// await waits until done holds, at most Timeouts.Mode. what is the error if it does not.
func (a *API) await(ctx context.Context, what string, done func(*catalog.Snapshot) bool) error {
	waiting, cancel := context.WithTimeout(ctx, a.Timeouts.Mode)
	defer cancel()
	_, err := a.Catalog.Await(waiting, done)
	if err != nil && waiting.Err() != nil {
		return apierror.New(http.StatusGatewayTimeout, "%s within %v", what, a.Timeouts.Mode).WithStatus(http.StatusRequestTimeout)
	}
	if err != nil {
		return agencyError(err)
	}
	return nil
}

// serverMaintenance answers whether a DB server is in maintenance, and until when.
func (a *API) serverMaintenance(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	id, err := dbserver(snap, c.Arg(0))
	if err != nil {
		return err
	}
	var m keys.ServerMaintenance
	if snap.Node(keys.CurrentMaintenance+"/"+id).Decode(&m) != nil || m.Mode == "" {
		return c.OK(http.StatusOK, nil)
	}
	return c.Result(http.StatusOK, m)
}

// setServerMaintenance keeps the supervision from acting on a failure of one DB server, for a
// time, and answers when that is in effect.
func (a *API) setServerMaintenance(c *rest.Call) error {
	var body struct {
		Mode    string   `json:"mode"`
		Timeout *float64 `json:"timeout"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	lasts := maintenanceFor
	if t := body.Timeout; t != nil {
		if !(*t > 0 && *t <= maxMaintenance.Seconds()) {
			return badParameter("timeout %g: want a positive number of seconds", *t)
		}
		lasts = time.Duration(*t * float64(time.Second))
	}
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	id, err := dbserver(snap, c.Arg(0))
	if err != nil {
		return err
	}
	target, current := keys.TargetMaintenance+"/"+id, keys.CurrentMaintenance+"/"+id
	tx := agencyclient.Tx{Pre: map[string]any{keys.PlanDBServers + "/" + id: agencyclient.OldEmpty(false)}}
	var visible func(*catalog.Snapshot) bool
	switch body.Mode {
	case "maintenance":
		want := keys.ServerMaintenance{Mode: body.Mode, Until: a.Wall.After(lasts)}
		tx.Ops = map[string]any{target: agencyclient.Set(want)}
		visible = func(snap *catalog.Snapshot) bool {
			var is keys.ServerMaintenance
			return snap.Node(current).Decode(&is) == nil && is == want
		}
	case "normal":
		tx.Ops = map[string]any{target: agencyclient.Delete()}
		visible = func(snap *catalog.Snapshot) bool { return !snap.Node(current).Exists() }
	default:
		return badParameter(`mode %q: want "maintenance" or "normal"`, body.Mode)
	}
	if err := a.write(c.R.Context(), tx); errors.Is(err, agencyclient.ErrPrecondition) {
		return notFound("unknown DB server %q", c.Arg(0))
	} else if err != nil {
		return agencyError(err)
	}
	if err := a.await(c.R.Context(), "the supervision has not taken notice", visible); err != nil {
		return err
	}
	return c.OK(http.StatusOK, nil)
}
