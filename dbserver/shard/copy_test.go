package shard

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Parts of a copy that was given up may come late: they do not mix with a later one,
// and do not end it.
func TestLatePartsOfAnEarlierCopy(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	entry := func(key string) []Entry { return []Entry{{Key: key, Value: []byte("x")}} }
	end := State{Last: Position{Tenure: tenure, Seq: 9}, Count: 1}
	require.NoError(t, s.BeginCopy(tenure, 1))
	require.NoError(t, s.BeginCopy(tenure, 2))
	require.NoError(t, s.AddCopy(tenure, 2, entry("new")))
	require.ErrorIs(t, s.AddCopy(tenure, 1, entry("old")), ErrGap)
	require.ErrorIs(t, s.EndCopy(tenure, 1, end), ErrGap)
	require.True(t, s.State().Copying)
	require.NoError(t, s.EndCopy(tenure, 2, end))
	require.ErrorIs(t, s.BeginCopy(tenure, 1), ErrGap, "it would empty a replica that counts")
	require.ErrorIs(t, s.BeginCopy(tenure, 2), ErrGap)
	require.False(t, s.State().Copying)
	require.NoError(t, s.BeginCopy(Tenure{Term: 2, Reboot: 1}, 1), "another leader numbers its own")
}

// A write after a truncation that is not committed meets no documents.
func TestWriteAfterUncommittedTruncate(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.NoError(t, s.Lead(Tenure{Term: 1, Reboot: 1}, undecided{}, false))
	insert := func(key string) {
		_, err := s.Documents(t.Context(), client.DocumentsRequest{Ops: []client.Op{
			{Kind: client.OpInsert, OverwriteMode: client.OverwriteReplace, Key: key, Document: fmt.Appendf(nil, `{}`)}}})
		require.ErrorIs(t, err, errPending)
	}
	insert("applied")
	_, err = s.Commit(1)
	require.NoError(t, err)
	insert("tail")
	require.ErrorIs(t, s.Truncate(t.Context(), false), errPending)
	insert("applied")
	insert("tail")
	insert("tail")
	_, err = s.Commit(6)
	require.NoError(t, err)
	require.Equal(t, uint64(2), s.State().Count)
	require.NoError(t, s.Check(t.Context()))
}

// closing is a quorum of a server that shuts down while a write waits.
type closing struct{ undecided }

func (closing) Await(context.Context, uint64, bool) error {
	return fmt.Errorf("wait: %w", apierror.New(apierror.ShuttingDown, "closing"))
}

// What has been numbered may be committed yet: nobody may send it once more, whatever
// the reason is that it was not waited for.
func TestNumberedWriteIsUnknown(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.NoError(t, s.Lead(Tenure{Term: 1, Reboot: 1}, closing{}, false))
	_, err = s.Documents(t.Context(), client.DocumentsRequest{Ops: []client.Op{{Kind: client.OpInsert, Key: "k", Document: []byte(`{}`)}}})
	require.Equal(t, apierror.ConnectionLost, apierror.From(err).Num)
	require.Equal(t, apierror.ConnectionLost, apierror.From(s.Truncate(t.Context(), false)).Num)
}
