package shard

// merge applies an update to a document, attribute by attribute:
//
//   - an attribute of patch replaces the stored one or is added after it;
//   - two objects are merged by the same rules, unless replaceNested;
//   - with dropNulls, null removes the attribute, and no null is stored that
//     came with patch, at whatever depth; what is inside arrays stays as it is.
//
// The stored document is changed in place and returned.
func merge(stored, patch *object, dropNulls, replaceNested bool) *object {
	for _, p := range patch.members {
		if p.value == nil {
			continue
		}
		if i := stored.find(p.name); i >= 0 {
			stored.members[i].value = mergeValue(stored.members[i].value, p.value, dropNulls, replaceNested)
		} else if v := mergeValue(nil, p.value, dropNulls, replaceNested); v != nil {
			stored.put(member{name: p.name, quoted: p.quoted, value: v})
		}
	}
	return stored
}

// mergeValue gives the new value; nil means removed.
func mergeValue(stored, patch []byte, dropNulls, replaceNested bool) []byte {
	if dropNulls && string(patch) == "null" {
		return nil
	}
	p, isObject := parseObject(patch)
	if !isObject {
		return patch
	}
	if !replaceNested {
		if s, ok := parseObject(stored); ok {
			return merge(s, p, dropNulls, replaceNested).encode()
		}
	}
	if !dropNulls {
		return patch
	}
	return merge(&object{}, p, dropNulls, replaceNested).encode()
}
