package coordinator_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	driver "github.com/arangodb/go-driver"
	driverhttp "github.com/arangodb/go-driver/http"
	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"

	"stasis/client"
)

// logged is what servers have logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) lines(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range strings.Split(l.text.String(), "\n") {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

const wrongPassword = "not-the-password"

// Credentials are not checked. The log of every server that gets some says so, and the status
// says so. The password is in no log.
func TestCredentialsThatAreNotChecked(t *testing.T) {
	log := &logged{}
	c := startCluster(t, options{dbservers: 1, log: log})
	basic := "Authorization: Basic cm9vdDpub3QtdGhlLXBhc3N3b3Jk" // root:not-the-password
	for name, server := range map[string][2]string{
		"coordinator": {c.coordinators[0].URL(), "/_api/version"},
		"dbserver":    {c.dbservers[0].URL(), "/_api/version"},
		"agent":       {c.agent.URL(), "/_api/agency/config"},
	} {
		for range 3 {
			want(t, c.doAt(t, server[0], "GET", server[1], ""), 200, 0)
		}
		require.Empty(t, log.lines(name+".http: credentials"), "there were none")
		for _, header := range []string{basic, "Authorization: bearer " + wrongPassword, "Authorization: " + wrongPassword} {
			want(t, c.doAt(t, server[0], "GET", server[1], "", header), 200, 0)
		}
		lines := log.lines(name + ".http: credentials are not checked: authentication is off")
		require.Len(t, lines, 1, name)
		require.Contains(t, lines[0], "[WARN]")
	}
	require.Empty(t, log.lines(wrongPassword))
	require.Empty(t, log.lines("cm9vdD"))
	require.Equal(t, "off", c.do(t, "GET", client.PathStatus, "").decode(t)["authentication"])
}

// A login is answered as ArangoDB 3.12 answers it while authentication is off.
func TestLogin(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	for body, wanted := range map[string][2]int{
		`{"username":"root","password":""}`:                                {200, 0},
		`{"username":"nobody","password":"` + wrongPassword + `"}`:         {200, 0},
		`{"username":"root","password":"x","expiryTime":60,"unknown":[1]}`: {200, 0},
		`{"username":"root","password":"x","expiryTime":9}`:                {400, 400},
		`{"username":"root","password":"x","expiryTime":3601}`:             {400, 400},
		`{"username":"root","password":"x","expiryTime":"long"}`:           {400, 400},
		`{"password":"x"}`:                  {401, 401},
		`{"username":"root"}`:               {400, 400},
		`{"username":"root","password":7}`:  {400, 400},
		`{"username":["a"],"password":"x"}`: {400, 400},
		`["root","x"]`:                      {400, 400},
		`null`:                              {400, 400},
		`{"username"`:                       {400, 600},
		``:                                  {400, 600},
	} {
		a := c.do(t, "POST", "/_open/auth", body)
		want(t, a, wanted[0], wanted[1])
		if wanted[0] == 200 {
			require.JSONEq(t, `{"jwt":"invalid"}`, a.body, body)
		}
	}
	want(t, c.do(t, "POST", "/_db/_system/_open/auth", `{"username":"root","password":"x"}`), 200, 0)
	want(t, c.do(t, "GET", "/_open/auth", ""), 405, 405)
	want(t, c.do(t, "POST", "/_open/auth/renew", "", "Authorization: bearer invalid"), 404, 1703)
}

// What would make believe that a password protects something is refused, and does nothing.
func TestUsersAreRefused(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	for _, r := range [][2]string{
		{"POST", "/_api/user"}, {"GET", "/_api/user"}, {"GET", "/_api/user/root"}, {"POST", "/_api/user/root"}, {"PUT", "/_api/user/root"}, {"PATCH", "/_api/user/root"}, {"DELETE", "/_api/user/root"},
		{"GET", "/_api/user/root/database"}, {"PUT", "/_api/user/root/database/_system"}, {"PUT", "/_api/user/root/database/_system/c"},
		{"GET", "/_api/user/root/config"}, {"PUT", "/_api/user/root/config/k"}, {"POST", "/_api/token/root"}, {"DELETE", "/_api/token/root/1"},
	} {
		a := c.do(t, r[0], r[1], `{"user":"ada","passwd":"secret"}`)
		want(t, a, 501, 9)
		require.Contains(t, a.body, "authentication is off")
	}
	want(t, c.do(t, "POST", "/_api/database", `{"name":"safe","users":[{"username":"root"},{"username":"ada","passwd":"secret"}]}`), 501, 9)
	require.NotContains(t, c.do(t, "GET", "/_api/database", "").body, "safe")
	want(t, c.do(t, "POST", "/_api/database", `{"name":"open","users":[{"username":"root","passwd":"","active":true}]}`), 201, 0)
}

// Official drivers that log in work unchanged: with basic authentication, with a token for
// user and password, and with a token that they are given.
func TestOfficialDriversLogIn(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	url := c.coordinators[0].URL()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	endpoint := connection.NewRoundRobinEndpoints([]string{url})
	for name, set := range map[string]func(connection.Connection) (connection.Connection, error){
		"basic": func(conn connection.Connection) (connection.Connection, error) {
			return conn, conn.SetAuthentication(connection.NewBasicAuth("root", wrongPassword))
		},
		"jwt": func(conn connection.Connection) (connection.Connection, error) {
			return connection.NewJWTAuthWrapper("root", wrongPassword)(conn), nil
		},
		"token": func(conn connection.Connection) (connection.Connection, error) {
			return conn, conn.SetAuthentication(connection.NewHeaderAuth("Authorization", "bearer %s", "invalid"))
		},
	} {
		t.Run("v2, "+name, func(t *testing.T) {
			conn, err := set(connection.NewHttpConnection(connection.HttpConfiguration{Endpoint: endpoint, ContentType: connection.ApplicationJSON, Transport: transport}))
			require.NoError(t, err)
			drive(t, c, arangodb.NewClient(conn), "two-"+name)
		})
	}
	for name, auth := range map[string]driver.Authentication{
		"basic": driver.BasicAuthentication("root", wrongPassword),
		"jwt":   driver.JWTAuthentication("root", wrongPassword), // it logs in before the first request
		"raw":   driver.RawAuthentication("bearer invalid"),
	} {
		t.Run("v1, "+name, func(t *testing.T) {
			conn, err := driverhttp.NewConnection(driverhttp.ConnectionConfig{Endpoints: []string{url}, Transport: transport})
			require.NoError(t, err)
			driveOld(t, conn, auth, "one-"+name)
		})
	}
}

// driveOld writes and reads a document with the driver's first version.
func driveOld(t *testing.T, conn driver.Connection, auth driver.Authentication, name string) {
	t.Helper()
	ctx := t.Context()
	cl, err := driver.NewClient(driver.ClientConfig{Connection: conn, Authentication: auth})
	require.NoError(t, err)
	db, err := cl.CreateDatabase(ctx, name, nil)
	require.NoError(t, err)
	col, err := db.CreateCollection(ctx, "books", nil)
	require.NoError(t, err)
	meta, err := col.CreateDocument(ctx, map[string]any{"title": "x"})
	require.NoError(t, err)
	var got map[string]any
	_, err = col.ReadDocument(ctx, meta.Key, &got)
	require.NoError(t, err)
	require.Equal(t, "x", got["title"])
	_, err = cl.CreateUser(ctx, "ada", &driver.UserOptions{Password: "secret"})
	require.True(t, driver.IsArangoErrorWithErrorNum(err, 9), "%v", err)
	_, err = cl.CreateDatabase(ctx, name+"-x", &driver.CreateDatabaseOptions{Users: []driver.CreateDatabaseUserOptions{{UserName: "ada", Password: "secret"}}})
	require.True(t, driver.IsArangoErrorWithErrorNum(err, 9), "%v", err)
}

// The command line's client sends the credentials that it is given, and takes none that it
// would drop.
func TestClientDropsNoCredentials(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer server.Close()
	cl, err := client.New(server.URL, client.Options{HTTP: server.Client(), Username: "root", Password: "x"})
	require.NoError(t, err)
	require.NoError(t, cl.Do(context.Background(), http.MethodGet, "/", nil, nil))
	require.Equal(t, "Basic cm9vdDp4", got)
	for _, endpoint := range []string{"http://root:secret@host:1", "tcp://root@host:1", "root:secret@host:1"} {
		_, err = client.New(endpoint, client.Options{})
		require.ErrorContains(t, err, "credentials")
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = client.New("http://host:1/?user=root", client.Options{})
	require.Error(t, err)
}
