package progress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func status(status string, done, total int64) client.TransferStatus {
	return client.TransferStatus{DBServers: map[string]client.ServerTransfer{
		"PRMR-2": {Status: status, Progress: &client.TransferProgress{Done: 1, Total: 2, BytesDone: done, BytesTotal: total, BytesPerSecond: 2048}},
		"PRMR-1": {Status: client.TransferNew},
	}}
}

// Where nothing can be redrawn there is a line when something has changed, and no control
// character.
func TestLinesWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	s := NewServers(&out)
	for done := range int64(1001) {
		s.Show(status(client.TransferStarted, done, 1000))
	}
	s.Show(status(client.TransferCompleted, 1000, 1000))
	s.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 1+11+1, out.String())
	require.Equal(t, "PRMR-1   0 %, 0/0 files, 0 B of 0 B, 0 B/s, NEW", lines[0])
	require.Equal(t, "PRMR-2  10 %, 1/2 files, 100 B of 1000 B, 2.0 KiB/s, STARTED", lines[2])
	require.Equal(t, "PRMR-2 100 %, 1/2 files, 1000 B of 1000 B, 2.0 KiB/s, COMPLETED", lines[12])
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\r")

	out.Reset()
	b := NewBytes(&out, "importing", 10)
	fmt.Fprint(b, "12345")
	b.Close()
	require.Empty(t, out.String())
}

// On a terminal bars are drawn, and their drawing ends with Close, whatever became of the
// transfer.
func TestBarsOnATerminal(t *testing.T) {
	for _, last := range []string{client.TransferCompleted, client.TransferFailed} {
		var out bytes.Buffer
		s := newServers(&out, true)
		s.Show(status(client.TransferStarted, 500, 1000))
		s.Show(status(last, 1000, 1000))
		s.Close()
		require.Contains(t, out.String(), "PRMR-1 ")
		require.Contains(t, out.String(), "PRMR-2 ")
		require.Contains(t, out.String(), last)
	}
	newServers(&bytes.Buffer{}, true).Close() // before anything was known
	for _, total := range []int64{10, -1} {
		b := newBytes(&bytes.Buffer{}, "importing", total, true)
		fmt.Fprint(b, "12345")
		b.Close()
	}
}
