package ddl

import (
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// databaseProperties returns all attributes of a database.
func databaseProperties(db *catalog.Database) rest.Fields {
	r := db.Replication()
	return rest.Fields{
		"id": db.ID, "name": db.Name, "isSystem": db.Name == rest.SystemDatabase, "path": "",
		"sharding": db.Sharding, "replicationFactor": r.Factor, "writeConcern": r.Concern,
	}
}

// shortForm returns the attributes of a collection in lists.
func shortForm(coll *catalog.Collection) rest.Fields {
	return rest.Fields{
		"id": coll.ID, "name": coll.Name, "status": 3, "statusString": "loaded", "type": coll.Type,
		"isSystem": coll.IsSystem, "globallyUniqueId": "c" + coll.ID + "/",
	}
}

// properties returns all attributes of a collection.
func properties(coll *catalog.Collection) rest.Fields {
	f := shortForm(coll)
	for name, value := range (rest.Fields{
		"waitForSync":  coll.WaitForSync,
		"keyOptions":   rest.Fields{"type": coll.KeyOptions.Type, "allowUserKeys": coll.KeyOptions.AllowUserKeys, "lastValue": 0},
		"cacheEnabled": coll.CacheEnabled, "usesRevisionsAsDocumentIds": true, "syncByRevision": true,
		"schema": nil, "computedValues": nil, "isDisjoint": false, "isSmart": false, "isSmartChild": false,
		"internalValidatorType": 0, "tempObjectId": "0", "numberOfShards": len(coll.ShardNames),
		"replicationFactor": coll.Replication.Factor, "writeConcern": coll.Replication.Concern,
		"minReplicationFactor": coll.MinReplicationFactor, "shardKeys": coll.ShardKeys, "shardingStrategy": coll.ShardingStrategy,
	}) {
		f[name] = value
	}
	return f
}

// figures returns the figures of a collection. What its engine knows of sizes is not collected.
func figures(count uint64, _ string) rest.Fields {
	return rest.Fields{"count": count, "figures": rest.Fields{"indexes": rest.Fields{"count": 1, "size": 0}, "documentsSize": 0, "cacheInUse": false, "cacheSize": 0, "cacheUsage": 0}}
}
