package agency

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func itoa(n uint64) string { return fmt.Sprint(n) }

// TestExpressAndPlainAnswerAlike: the same requests, once of the plain kind and once
// with a header that only net/http knows, get the same answers: status, headers, body.
func TestExpressAndPlainAnswerAlike(t *testing.T) {
	s := alone(t, t.TempDir())
	for _, row := range []struct{ call, body string }{
		{"read", `[["/"]]`}, {"read", `x`}, {"write", `[]`}, {"write", `[[{".agency":1}]]`},
		{"transact", `[["a"],[{"b":1},{"a":17}]]`}, {"inquire", `["x"]`}, {"transient", `[["a"]]`}, {"write", `[[{"a":1},{"a":2}]]`},
	} {
		express := s.post(row.call, row.body)
		plain := s.post(row.call, row.body, "X-Something", "else")
		require.Equal(t, plain.String(), express.String(), row)
		plain.header.Del("Date")
		express.header.Del("Date")
		require.Equal(t, plain.header, express.header, row)
	}
}

// TestExpressOnOneConnection: requests in one piece, in pieces, and of both kinds
// on one connection are answered in order.
func TestExpressOnOneConnection(t *testing.T) {
	s := alone(t, t.TempDir())
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	next := func(want string) {
		t.Helper()
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, want, fmt.Sprint(r.StatusCode, " ", strings.TrimSpace(string(body))))
	}
	request := func(call, body, more string) string {
		return fmt.Sprintf("POST /_api/agency/%s HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n%s", call, more, len(body), body)
	}
	write := request("write", `[[{"a":{"op":"increment"}}]]`, "")
	_, err = io.WriteString(conn, write+write+request("read", `[["a"]]`, "Accept: */*\r\n"))
	require.NoError(t, err)
	next(`200 {"results":[1]}`)
	next(`200 {"results":[2]}`)
	next(`200 [{"a":2}]`)
	for _, b := range []byte(write) {
		_, err = conn.Write([]byte{b})
		require.NoError(t, err)
	}
	next(`200 {"results":[3]}`)
	chunked := "POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n[[\"a\"]]\r\n0\r\n\r\n"
	_, err = io.WriteString(conn, write+chunked+"GET /_api/version HTTP/1.1\r\nHost: x\r\n\r\n"+write)
	require.NoError(t, err)
	next(`200 {"results":[4]}`)
	next(`200 [{"a":4}]`)
	next(`200 {"license":"enterprise","server":"arango","version":"3.12.5"}`)
	next(`200 {"results":[5]}`)
}

// FuzzExpressHeader: the lane takes a header only if net/http reads the same from
// it: one request to the same path with the same length of body.
func FuzzExpressHeader(f *testing.F) {
	for _, seed := range []string{
		"POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n", "POST /_api/agency/write HTTP/1.1\r\nhost:x\r\ncontent-length:0\r\nConnection: keep-alive\r\n\r\nrest",
		"POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\n", "POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n",
		"POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nContent-Length: 7\n\r\n\r\n", "POST /_api/agency/read HTTP/1.1\r\nHost: x\r\n Content-Length: 7\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "POS",
		"POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nContent-Length: +7\r\n\r\n", "POST /_api/agency/read HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	none := func(callOf) (int, []byte, error) { return 200, nil, nil }
	x := &express{calls: map[string]dataCall{"/_api/agency/read": none, "/_api/agency/write": none}, maxBody: 1 << 20}
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, complete, err := x.parse(raw)
		if err != nil || !complete {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", raw, err)
		}
		if r.URL.Path != q.path || r.ContentLength != int64(q.length) || len(r.TransferEncoding) > 0 || r.Close {
			t.Fatalf("net/http reads another request: %q", raw)
		}
	})
}
