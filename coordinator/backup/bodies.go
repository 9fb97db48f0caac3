package backup

import (
	"encoding/json"
	"errors"
	"time"

	"stasis/client"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
)

// decode reads a command's body. A value of the wrong type is apierror.BadParameter.
func decode(command string, body json.RawMessage, into any) error {
	err := json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return apierror.New(apierror.BadParameter, "%s: expecting an object, found %s", command, wrong.Value)
	case errors.As(err, &wrong):
		return apierror.New(apierror.BadParameter, "%s: attribute %q must not be a %s", command, wrong.Field, wrong.Value)
	case err != nil:
		return apierror.New(apierror.BadParameter, "%s: %w", command, err)
	}
	return nil
}

// parseCreate reads the body of create: absent, null or an object. An attribute that is
// null counts as absent: clients send unset attributes as null.
func parseCreate(body json.RawMessage) (CreateRequest, error) {
	if body == nil {
		return CreateRequest{}, nil
	}
	var f struct {
		Label             *string         `json:"label"`
		Timeout           *float64        `json:"timeout"`
		AllowInconsistent bool            `json:"allowInconsistent"`
		Force             bool            `json:"force"`
		LockWait          *float64        `json:"lockWait"`
		LockGrowth        *float64        `json:"lockGrowth"`
		Deadline          *float64        `json:"deadline"`
		LockMode          client.LockMode `json:"lockMode"`
	}
	if err := decode("create", body, &f); err != nil {
		return CreateRequest{}, err
	}
	r := CreateRequest{AllowInconsistent: f.AllowInconsistent, Force: f.Force, LockMode: f.LockMode}
	if f.Label != nil {
		r.Label = *f.Label
	}
	if f.Timeout != nil {
		r.Timeout = max(operation.Duration(*f.Timeout), operation.MinimalTimeout)
	}
	if f.LockWait != nil {
		if r.LockWait = operation.Duration(*f.LockWait); r.LockWait <= 0 {
			return r, apierror.New(apierror.BadParameter, "create: lockWait must be positive")
		}
	}
	if f.LockGrowth != nil {
		if r.LockGrowth = *f.LockGrowth; r.LockGrowth < 1 {
			return r, apierror.New(apierror.BadParameter, "create: lockGrowth must be at least 1")
		}
	}
	var err error
	r.Deadline, err = parseDeadline("create", f.Deadline)
	return r, err
}

// parseDeadline reads an attribute that ArangoDB does not have. Absent means no deadline.
func parseDeadline(command string, s *float64) (time.Duration, error) {
	if s == nil {
		return 0, nil
	}
	d := operation.Duration(*s)
	if d <= 0 {
		return 0, operation.BadDeadline(command)
	}
	return d, nil
}

// parseList reads the body of list: absent, null, {} or {"id": <id or ids>}.
func parseList(body json.RawMessage) (ListRequest, error) {
	bad := apierror.New(apierror.BadRequest, `list: the body must be empty, {} or {"id": <string or array of strings>}`)
	if body == nil {
		return ListRequest{}, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return ListRequest{}, bad
	}
	raw, given := fields["id"]
	if !given {
		return ListRequest{}, nil
	}
	var one *string
	if json.Unmarshal(raw, &one) == nil && one != nil {
		return ListRequest{IDs: []string{*one}}, nil
	}
	var many []*string
	if json.Unmarshal(raw, &many) != nil || many == nil {
		return ListRequest{}, bad
	}
	r := ListRequest{IDs: []string{}}
	for _, id := range many {
		if id == nil {
			return ListRequest{}, bad
		}
		r.IDs = append(r.IDs, *id)
	}
	return r, nil
}

// parseRestore reads the body of restore and verify: an object with an id.
func parseRestore(body json.RawMessage) (RestoreRequest, error) {
	var f struct {
		ID            *string  `json:"id"`
		IgnoreVersion bool     `json:"ignoreVersion"`
		Timeout       float64  `json:"timeout"`
		Deadline      *float64 `json:"deadline"`
		Keys          keyList  `json:"key"`
	}
	if body != nil {
		if err := decode("restore", body, &f); err != nil {
			return RestoreRequest{}, err
		}
	}
	if f.ID == nil || *f.ID == "" {
		return RestoreRequest{}, apierror.New(apierror.BadParameter, "id is missing")
	}
	deadline, err := parseDeadline("restore", f.Deadline)
	return RestoreRequest{ID: *f.ID, IgnoreVersion: f.IgnoreVersion, Timeout: operation.Duration(f.Timeout), Deadline: deadline, Keys: f.Keys}, err
}
