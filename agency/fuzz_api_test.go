package agency

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/api"
)

// FuzzRequests: whatever a body holds, every endpoint that takes one answers with
// JSON, and a request that is refused as malformed has not reached the log.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		`[[{"a":1}]]`, `[["/a"]]`, `["id"]`, `[[{"a":{"op":"push-queue","new":1,"len":-1}},{"a":{"in":3}},"id"],["//a//"]]`, `5`, `{"compaction step size":3}`,
		`{"id":"AGNT-x","endpoint":"tcp://h:1"}`, `{"transfer":true,"id":"x"}`, `[[{"":{"op":"increment"}},{"/":{"old":{}}}]]`, `[`, `null`, "[[\"\xff\"]]", `[[{"a":1e999}]]`,
		`[[{"a":{"op":"set","new":1,"ttl":9e99}}]]`, `[[{"a/":1,"a":2}]]`, ``,
	} {
		f.Add([]byte(seed))
	}
	a, err := Start(context.Background(), Config{Listen: "127.0.0.1:0", Dir: memoryDir, FS: newMemory("a").FS()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, a.Close(context.Background())) })
	require.Eventually(f, a.IsLeader, waitMax, waitStep)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if strings.Contains(string(raw), `"join"`) {
			return // adds members that are not there
		}
		for _, call := range []string{"POST write", "POST read", "POST transact", "POST transient", "POST inquire", "POST store", "PUT config", "POST members"} {
			method, name, _ := strings.Cut(call, " ")
			before := a.node.Raft.LastIndex()
			w := httptest.NewRecorder()
			a.api.ServeHTTP(w, httptest.NewRequest(method, api.Prefix+"/"+name, strings.NewReader(string(raw))))
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %q: %d, no JSON: %q", call, raw, w.Code, w.Body)
			}
			if w.Code >= 500 && name != "config" {
				t.Fatalf("%s %q: %d %s", call, raw, w.Code, w.Body)
			}
			if w.Code == http.StatusBadRequest && a.node.Raft.LastIndex() != before {
				t.Fatalf("%s %q: refused, and in the log", call, raw)
			}
		}
	})
}
