package coordinator

import (
	"encoding/json"
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

// check lets pass one replica, which is what this version makes.
func (p placementOptions) check() error {
	if f := string(p.ReplicationFactor); f != "" && f != "null" && f != "1" && f != "1.0" {
		return apierror.New(apierror.BadParameter, "replicationFactor %s is not supported by this version: every shard is on one DB server", f)
	}
	for _, w := range []*float64{p.WriteConcern, p.MinReplicationFactor} {
		if w != nil && *w != 1 && *w != 0 {
			return apierror.New(apierror.BadParameter, "writeConcern %g is not supported by this version: every shard is on one DB server", *w)
		}
	}
	return nil
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
	if err := b.placementOptions.check(); err != nil {
		return err
	}
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
