package network

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// credentialsAgain is how often a server logs that it checks no credentials, while some arrive.
const credentialsAgain = time.Hour

// unchecked serves requests with credentials like all others, because drivers send them
// to servers with authentication off, too, and ArangoDB 3.12 serves them. The log says that the credentials
// are not checked: with the first one, and once an hour while
// more arrive. It never contains the credentials.
type unchecked struct {
	next http.Handler
	log  hclog.Logger

	mu     sync.Mutex
	again  time.Time // not before
	others int       // since it was logged last
}

func (u *unchecked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if kind := credentials(r); kind != "" {
		u.note(kind, r)
	}
	u.next.ServeHTTP(w, r)
}

// note logs outside the mutex.
func (u *unchecked) note(kind string, r *http.Request) {
	now := time.Now()
	u.mu.Lock()
	due, others := !now.Before(u.again), u.others
	u.others++
	if due {
		u.again, u.others = now.Add(credentialsAgain), 0
	}
	u.mu.Unlock()
	if !due {
		return
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	u.log.Warn("credentials are not checked: authentication is off", "kind", kind, "from", from, "others", others)
}

// credentials is the kind of credentials that a request has; "" if none.
func credentials(r *http.Request) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch scheme = strings.ToLower(scheme); {
	case scheme == "basic" || scheme == "bearer":
		return scheme
	case scheme != "": // it may be a token without its scheme, which must not be shown
		return "unknown"
	case strings.HasSuffix(r.URL.Path, "/_open/auth"):
		return "login"
	}
	return ""
}
