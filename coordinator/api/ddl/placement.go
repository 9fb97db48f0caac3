package ddl

import (
	"encoding/json"
	"math"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// placementOptions say on how many DB servers data is placed.
type placementOptions struct {
	ReplicationFactor    json.RawMessage `json:"replicationFactor"`
	WriteConcern         *float64        `json:"writeConcern"`
	MinReplicationFactor *float64        `json:"minReplicationFactor"`
}

// replication reads the options. What is not given is zero.
func (p placementOptions) replication() (catalog.Replication, error) {
	var r catalog.Replication
	if raw := string(p.ReplicationFactor); raw != "" && raw != "null" {
		var factor float64
		if raw == `"satellite"` || raw == "0" {
			return r, apierror.New(apierror.BadParameter, "satellite collections are not supported by this version: want a replicationFactor of 1 to %d", catalog.MaxReplicationFactor)
		}
		if json.Unmarshal(p.ReplicationFactor, &factor) != nil {
			return r, apierror.New(apierror.BadParameter, "replicationFactor %s: want a number", raw)
		}
		n, err := whole("replicationFactor", factor)
		if err != nil {
			return r, err
		}
		r.Factor = n
	}
	concern, name := p.WriteConcern, "writeConcern"
	if concern == nil {
		concern, name = p.MinReplicationFactor, "minReplicationFactor"
	}
	if concern != nil {
		n, err := whole(name, *concern)
		if err != nil {
			return r, err
		}
		r.Concern = n
	}
	return r, nil
}

// whole returns f if it is a possible number of replicas.
func whole(name string, f float64) (int, error) {
	if f != math.Trunc(f) || f < 1 || f > catalog.MaxReplicationFactor {
		return 0, apierror.New(apierror.BadParameter, "%s %g: want a whole number, 1 to %d", name, f, catalog.MaxReplicationFactor)
	}
	return int(f), nil
}
