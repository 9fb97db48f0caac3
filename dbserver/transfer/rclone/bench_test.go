package rclone

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/sync"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/dbserver/client"
)

// Upload and download in MB/s, beside rclone's own copy of the same files to and from
// the same server, in one run.
func BenchmarkBesideRclone(b *testing.B) {
	for _, s := range storages(b) {
		if s.name != "s3" && s.name != "webdav" && s.name != "sftp" {
			continue
		}
		b.Run(s.name, func(b *testing.B) {
			source := pieces(b, 30000)
			content, err := source.Content(b.Context(), testID)
			require.NoError(b, err)
			files := mkdir(b, filepath.Join(b.TempDir(), "files"))
			for _, f := range content.Files {
				in, err := source.OpenFile(testID, f.Name)
				require.NoError(b, err)
				data, err := io.ReadAll(in)
				require.NoError(b, err)
				require.NoError(b, in.Close())
				require.NoError(b, os.WriteFile(filepath.Join(files, filepath.Base(f.Name)), data, 0o644))
			}
			rate := func(begin time.Time) float64 { return float64(content.Bytes()) / 1e6 / time.Since(begin).Seconds() }
			for b.Loop() {
				o := newOffice()
				s.remote.Path = "bucket/" + uuid.NewString()
				begin := time.Now()
				e := o.do(b, source, s, keys.TransferUpload, "1", io.Discard)
				require.Equal(b, keys.TransferCompleted, e.Status, e.ErrorMessage)
				up := rate(begin)
				begin = time.Now()
				e = o.do(b, pieces(b, 0), s, keys.TransferDownload, "2", io.Discard)
				require.Equal(b, keys.TransferCompleted, e.Status, e.ErrorMessage)
				down := rate(begin)

				ctx := settings(context.Background())
				there, err := Open(b.Context(), client.Remote{Name: s.remote.Name, Path: "bucket/" + uuid.NewString()}, s.config)
				require.NoError(b, err)
				local, err := fs.NewFs(ctx, files)
				require.NoError(b, err)
				back, err := fs.NewFs(ctx, b.TempDir())
				require.NoError(b, err)
				begin = time.Now()
				require.NoError(b, sync.CopyDir(ctx, there.(*remote).fs, local, false))
				rup := rate(begin)
				begin = time.Now()
				require.NoError(b, sync.CopyDir(ctx, back, there.(*remote).fs, false))
				rdown := rate(begin)
				b.ReportMetric(up, "up-MB/s")
				b.ReportMetric(rup, "rclone-up-MB/s")
				b.ReportMetric(down, "down-MB/s")
				b.ReportMetric(rdown, "rclone-down-MB/s")
				b.ReportMetric(float64(content.Bytes())/1e6, "MB")
			}
		})
	}
}
