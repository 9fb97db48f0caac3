package coordinator

import (
	"encoding/json"
	"math"
	"slices"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// invalidKeyGenerator answers key generators that there are none of.
const invalidKeyGenerator apierror.Num = 1232

// placementOptions say on how many servers data shall be.
type placementOptions struct {
	ReplicationFactor    json.RawMessage `json:"replicationFactor"`
	WriteConcern         *float64        `json:"writeConcern"`
	MinReplicationFactor *float64        `json:"minReplicationFactor"`
}

// replication reads them; what is not given is zero.
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

// whole is a number of replicas.
func whole(name string, f float64) (int, error) {
	if f != math.Trunc(f) || f < 1 || f > catalog.MaxReplicationFactor {
		return 0, apierror.New(apierror.BadParameter, "%s %g: want a whole number, 1 to %d", name, f, catalog.MaxReplicationFactor)
	}
	return int(f), nil
}

// collectionBody is the body of creating a collection, or changing its properties.
type collectionBody struct {
	placementOptions
	featureOptions
	Name           json.RawMessage `json:"name"`
	Type           *int            `json:"type"`
	IsSystem       bool            `json:"isSystem"`
	WaitForSync    *bool           `json:"waitForSync"`
	CacheEnabled   *bool           `json:"cacheEnabled"`
	NumberOfShards *int            `json:"numberOfShards"`
	KeyOptions     *keyOptions     `json:"keyOptions"`
}

type keyOptions struct {
	Type          string `json:"type"`
	AllowUserKeys *bool  `json:"allowUserKeys"`
}

// featureOptions are for what this version lacks.
type featureOptions struct {
	ShardKeys            []string        `json:"shardKeys"`
	ShardingStrategy     string          `json:"shardingStrategy"`
	DistributeShardsLike string          `json:"distributeShardsLike"`
	IsSmart              bool            `json:"isSmart"`
	IsDisjoint           bool            `json:"isDisjoint"`
	Schema               json.RawMessage `json:"schema"`
	ComputedValues       json.RawMessage `json:"computedValues"`
}

// checkSupported refuses what would silently not be done.
func (b *collectionBody) checkSupported() error {
	refuse := func(what string) error {
		return apierror.New(apierror.BadParameter, "%s not supported by this version", what)
	}
	switch {
	case b.ShardKeys != nil && !slices.Equal(b.ShardKeys, []string{"_key"}):
		return refuse(`shardKeys other than ["_key"] are`)
	case b.ShardingStrategy != "" && b.ShardingStrategy != "hash":
		return refuse("shardingStrategy " + b.ShardingStrategy + " is")
	case b.DistributeShardsLike != "":
		return refuse("distributeShardsLike is")
	case b.IsSmart || b.IsDisjoint:
		return refuse("smart collections are")
	case given(b.Schema):
		return refuse("schema is")
	case given(b.ComputedValues) && string(b.ComputedValues) != "[]":
		return refuse("computedValues are")
	}
	return nil
}

func given(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null" && string(raw) != "{}"
}

func (b *collectionBody) spec() (catalog.CollectionSpec, error) {
	s := catalog.CollectionSpec{IsSystem: b.IsSystem}
	if len(b.Name) > 0 && json.Unmarshal(b.Name, &s.Name) != nil {
		return s, apierror.New(apierror.IllegalName, "illegal name: not a string")
	}
	if err := catalog.CheckCollectionName(s.Name, s.IsSystem); err != nil {
		return s, err
	}
	if err := b.checkSupported(); err != nil {
		return s, err
	}
	var err error
	if s.Replication, err = b.replication(); err != nil {
		return s, err
	}
	if b.Type != nil {
		if s.Type = *b.Type; s.Type == 0 {
			return s, apierror.New(apierror.CollectionTypeBad, "collection type 0 is invalid: 2 (documents) or 3 (edges)")
		}
	}
	if b.NumberOfShards != nil {
		if s.NumberOfShards = *b.NumberOfShards; s.NumberOfShards == 0 {
			return s, apierror.New(apierror.BadParameter, "numberOfShards 0 is not positive")
		}
	}
	s.WaitForSync = b.WaitForSync != nil && *b.WaitForSync
	s.CacheEnabled = b.CacheEnabled != nil && *b.CacheEnabled
	if k := b.KeyOptions; k != nil {
		if k.Type != "" && k.Type != "traditional" {
			return s, apierror.New(invalidKeyGenerator, "key generator %q is not supported by this version: traditional", k.Type)
		}
		s.DenyUserKeys = k.AllowUserKeys != nil && !*k.AllowUserKeys
	}
	return s, nil
}
