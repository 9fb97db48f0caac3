//lint:file-ignore SA1019 what the driver calls deprecated is what programs use

package agency

import (
	"context"
	"net/http"
	"testing"
	"time"

	driver "github.com/arangodb/go-driver"
	driveragency "github.com/arangodb/go-driver/agency"
	driverhttp "github.com/arangodb/go-driver/http"
	"github.com/stretchr/testify/require"

	"stasis/internal/network"
)

// These tests drive the agency by the package of the official driver that servers
// and operators use: what it promises for keys, conditions and locks has to hold.

// driven is what one program sees of an agency of three through that package.
type driven struct {
	driveragency.Agency
	*cluster
	host   string
	client *http.Client
}

func inDriver(t *testing.T, test func(*testing.T, *driven)) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		d := &driven{cluster: c}
		c.leader()
		d.Agency = d.from("program").Agency
		test(t, d)
	})
}

// from is the agency as seen from a host.
func (d *driven) from(host string) *driven {
	client := network.NewHTTPClient(d.net.Host(host))
	d.t.Cleanup(client.CloseIdleConnections)
	api, err := driveragency.NewAgency(d.connect(client, "http://a:1", "http://b:1", "http://c:1"))
	require.NoError(d.t, err)
	return &driven{Agency: api, cluster: d.cluster, host: host, client: client}
}

func (d *driven) connect(client *http.Client, endpoints ...string) driver.Connection {
	conn, err := driveragency.NewAgencyConnection(driverhttp.ConnectionConfig{Endpoints: endpoints, Transport: client.Transport})
	require.NoError(d.t, err)
	return conn
}

func (d *driven) value(key ...string) any {
	d.t.Helper()
	var v any
	require.NoError(d.t, d.ReadKey(d.t.Context(), key, &v))
	return v
}

func (d *driven) missing(key ...string) {
	d.t.Helper()
	var v any
	require.True(d.t, driveragency.IsKeyNotFound(d.ReadKey(d.t.Context(), key, &v)), key)
}

func TestDriverKeys(t *testing.T) {
	inDriver(t, func(t *testing.T, d *driven) {
		ctx := t.Context()
		d.missing("it")
		require.NoError(t, d.WriteKey(ctx, []string{"it", "is", "here"}, map[string]any{"n": 1, "s": "x"}, 0))
		require.Equal(t, map[string]any{"n": 1.0, "s": "x"}, d.value("it", "is", "here"))
		d.missing("it", "is", "not")
		d.missing("it", "was", "here")
		require.Equal(t, "x", d.value("it", "is", "here", "s"))
		require.Error(t, d.ReadKey(ctx, []string{"it", "is", "here", "s", "x"}, new(any)))
		require.Equal(t, map[string]any{"is": map[string]any{"here": map[string]any{"n": 1.0, "s": "x"}}}, d.value("it"))
		for _, v := range []any{false, 0.0, "", []any{}, "ünï", []any{1.0, "two", map[string]any{"three": 3.0}}} {
			require.NoError(t, d.WriteKey(ctx, []string{"v"}, v, 0))
			require.Equal(t, v, d.value("v"))
		}
		require.NoError(t, d.RemoveKey(ctx, []string{"it", "is"}))
		d.missing("it", "is")
		require.Equal(t, map[string]any{}, d.value("it"))
		require.NoError(t, d.RemoveKey(ctx, []string{"it", "never", "was"}), "removing what is not there succeeds")
	})
}

func TestDriverConditions(t *testing.T) {
	inDriver(t, func(t *testing.T, d *driven) {
		ctx, key, other := t.Context(), []string{"a", "b"}, []string{"list"}
		refused := func(err error) { t.Helper(); require.True(t, driver.IsPreconditionFailed(err), "%v", err) }
		require.NoError(t, d.WriteKeyIfEmpty(ctx, key, "one", 0))
		refused(d.WriteKeyIfEmpty(ctx, key, "two", 0))
		refused(d.WriteKeyIfEqualTo(ctx, key, "two", "none", 0))
		require.Equal(t, "one", d.value("a", "b"))
		require.NoError(t, d.WriteKeyIfEqualTo(ctx, key, map[string]any{"x": 1}, "one", 0))
		require.NoError(t, d.WriteKeyIfEqualTo(ctx, key, "three", map[string]any{"x": 1}, 0))
		refused(d.RemoveKeyIfEqualTo(ctx, key, "one"))
		require.NoError(t, d.RemoveKeyIfEqualTo(ctx, key, "three"))
		d.missing("a", "b")
		refused(d.WriteKeyIfEqualTo(ctx, key, "x", "y", 0))

		var cond driveragency.WriteCondition
		refused(d.WriteKey(ctx, key, 1, 0, cond.IfIsArray(other)))
		require.NoError(t, d.WriteKey(ctx, other, []int{1, 2}, 0, cond.IfEmpty(other)))
		require.NoError(t, d.WriteKey(ctx, key, 1, 0, cond.IfIsArray(other)))
		refused(d.RemoveKey(ctx, key, cond.IfEqualTo(other, []int{2, 1})))
		require.NoError(t, d.RemoveKey(ctx, key, cond.IfEqualTo(other, []int{1, 2})))

		tx := func(id string, conditions map[string]driveragency.KeyConditioner, changes ...driveragency.KeyChanger) error {
			t := driveragency.NewTransaction(id, driveragency.TransactionOptions{})
			for _, c := range changes {
				t.AddKey(c)
			}
			for k, c := range conditions {
				_ = t.AddCondition([]string{k}, c) // fails for a key that is there twice
			}
			return d.WriteTransaction(ctx, t)
		}
		require.NoError(t, tx("me", map[string]driveragency.KeyConditioner{
			"list": driveragency.NewConditionIfNotEqual(7), "gone": driveragency.NewConditionOldEmpty(true), "a": driveragency.NewConditionIsArray(false),
		}, driveragency.NewKeyArrayPush([]string{"list"}, 3), driveragency.NewKeySetV2([]string{"n"}, 1), driveragency.NewKeyDelete([]string{"a"})))
		require.Equal(t, `200 [{"list":[1,2,3],"n":1}]`, d.ask(d.leader(), "read", `[["/"]]`).String())
		require.NoError(t, tx("me", nil, driveragency.NewKeyArrayErase([]string{"list"}, 1)))
		require.NoError(t, tx("me", nil, driveragency.NewKeyArrayReplace([]string{"list"}, 2, "two")))
		require.Equal(t, []any{"two", 3.0}, d.value("list"))
		refused(tx("me", map[string]driveragency.KeyConditioner{"list": driveragency.NewConditionIfNotEqual([]any{"two", 3})}, driveragency.NewKeyDelete([]string{"list"})))
		refused(tx("me", map[string]driveragency.KeyConditioner{"n": driveragency.NewConditionOldEmpty(true)}, driveragency.NewKeyDelete([]string{"list"})))
		require.Equal(t, []any{"two", 3.0}, d.value("list"), "all or nothing")
	})
}

// TestDriverLock: one holds it, renews it, also under another leader, and notices
// that it has lost it.
func TestDriverLock(t *testing.T) {
	inDriver(t, func(t *testing.T, d *driven) {
		ctx := t.Context()
		mine, theirs := d, d.from("elsewhere")
		lockOf := func(d *driven, id string) driveragency.Lock {
			l, err := driveragency.NewLock(nil, d.Agency, []string{"locks", "it"}, id, 10*time.Second)
			require.NoError(t, err)
			return l
		}
		first, second := lockOf(mine, "first"), lockOf(theirs, "")
		require.True(t, driveragency.IsNotLocked(first.Unlock(ctx)))
		require.NoError(t, first.Lock(ctx))
		require.True(t, first.IsLocked())
		require.True(t, driveragency.IsAlreadyLocked(first.Lock(ctx)))
		require.True(t, driveragency.IsAlreadyLocked(second.Lock(ctx)))
		require.False(t, second.IsLocked())
		require.Equal(t, "first", d.value("locks", "it"))

		leader := d.leader()
		d.kill(leader)
		d.leader()
		time.Sleep(30 * time.Second)
		require.True(t, first.IsLocked(), "renewed")
		require.True(t, driveragency.IsAlreadyLocked(second.Lock(ctx)))
		d.start(leader)
		d.leader()

		require.NoError(t, first.Unlock(ctx))
		require.False(t, first.IsLocked())
		d.missing("locks", "it")
		require.NoError(t, second.Lock(ctx))
		for name := range d.agents {
			d.net.Cut("elsewhere", name)
		}
		time.Sleep(12 * time.Second)
		require.True(t, driveragency.IsAlreadyLocked(first.Lock(ctx)), "this version of the driver sends no time to live")
		require.NoError(t, d.RemoveKey(ctx, []string{"locks", "it"}))
		require.NoError(t, first.Lock(ctx))
		d.net.HealAll()
		time.Sleep(30 * time.Second)
		require.False(t, second.IsLocked(), "it has noticed")
		require.Error(t, second.Unlock(ctx))
		require.Equal(t, "first", d.value("locks", "it"))
		require.NoError(t, first.Unlock(ctx))
	})
}

func TestDriverCallbacks(t *testing.T) {
	inDriver(t, func(t *testing.T, d *driven) {
		ctx, key := t.Context(), []string{"watched", "key"}
		o := &watcher{status: 200}
		s, err := network.NewServer(d.net.Host("watcher"), o, network.ServerOptions{Address: "watcher:1"})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Shutdown(context.Background())) }()
		d.register("CRDN-w", "tcp://watcher:1")
		for range 2 { // repeats are harmless
			require.NoError(t, d.RegisterChangeCallback(ctx, key, "http://watcher:1/callback"))
		}
		d.missing("watched")
		require.NoError(t, d.WriteKey(ctx, key, 1, 0))
		calls := o.called()
		require.Len(t, calls, 1)
		require.Contains(t, calls[0], `"/watched/key":{"/watched/key":{"op":"set"}}`)
		require.NoError(t, d.UnregisterChangeCallback(ctx, key, "http://watcher:1/callback"))
		require.NoError(t, d.WriteKey(ctx, key, 2, 0))
		require.Empty(t, o.called())
	})
}

// TestDriverFindsAgentsHealthy: one answers, the others point to it.
func TestDriverFindsAgentsHealthy(t *testing.T) {
	inDriver(t, func(t *testing.T, d *driven) {
		client := network.NewHTTPClient(d.net.Host("doctor"))
		defer client.CloseIdleConnections()
		var agents []driver.Connection
		for _, name := range []string{"a", "b", "c"} {
			conn, err := driverhttp.NewConnection(driverhttp.ConnectionConfig{
				Endpoints: []string{"http://" + name + ":1"}, Transport: client.Transport, DontFollowRedirect: true,
			})
			require.NoError(t, err)
			agents = append(agents, conn)
		}
		require.NoError(t, driveragency.AreAgentsHealthy(t.Context(), agents))
		d.kill(d.leader())
		d.leader()
		require.Error(t, driveragency.AreAgentsHealthy(t.Context(), agents))
	})
}
