package rclone

import (
	"reflect"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configstruct"

	"stasis/internal/failpoint"
)

// span is what a request may choose of an option that is a number, a size or a
// duration, written as rclone writes it. Most of them cost the server memory, goroutines
// or time: rclone reserves a chunk before it reads it, makes a token for each of the
// connections that it may open, and sleeps for a minimum that it was told. A value is
// allowed if it is neither below nor above; TestEveryNumberIsBounded fails when an option that is
// allowed has no span. The operator's remotes are not bounded.
type span struct{ least, most string }

var (
	port    = span{"1", "65535"}
	idle    = span{"0s", "1h"}    // for which a connection is kept that nothing uses
	closing = span{"0s", "10m"}   // for which the end of something is waited for
	pace    = span{"0s", "1s"}    // between two calls
	chunk   = span{"1Ki", "64Mi"} // in memory, for every file or part that is being sent
	atOnce  = span{"0", "64"}     // connections or parts; 0 is no limit of rclone's, and the number of files bounds them
	anySize = span{"off", "1Pi"}  // of nothing that is in memory
)

// spans are those of each backend in rules.
var spans = map[string]map[string]span{
	"compress": {"level": {"-2", "9"}, "ram_cache_limit": {"0", "64Mi"}},
	"ftp": {
		"port": port, "concurrency": atOnce, "idle_timeout": idle, "close_timeout": closing, "shut_timeout": closing,
		"tls_cache_size": {"0", "1024"},
	},
	"http": {"no_head_size": anySize},
	"sftp": {
		"port": port, "idle_timeout": idle, "chunk_size": {"1Ki", "256Ki"}, "concurrency": {"1", "128"}, "connections": atOnce,
	},
	"smb":     {"port": port, "idle_timeout": idle},
	"webdav":  {"pacer_min_sleep": pace, "nextcloud_chunk_size": {"0", "64Mi"}},
	"dropbox": {"chunk_size": chunk, "pacer_min_sleep": pace, "batch_size": {"0", "1000"}, "batch_timeout": closing, "batch_commit_timeout": closing},
	"azureblob": {
		"upload_cutoff": anySize, "chunk_size": chunk, "upload_concurrency": {"1", "64"}, "copy_cutoff": anySize, "copy_concurrency": {"1", "512"},
		"copy_total_concurrency": {"0", "512"}, "list_chunk": {"1", "5000"}, "list_parallelism": {"0", "64"}, "memory_pool_flush_time": idle,
	},
	"s3": {
		"upload_cutoff": {"0", "5Gi"}, "chunk_size": chunk, "copy_cutoff": {"0", "5Gi"}, "upload_concurrency": {"1", "64"}, "list_chunk": {"1", "10000"},
		"list_version": {"0", "2"}, "memory_pool_flush_time": idle,
		// A file in fewer parts has larger ones than chunk_size, and the largest file in 1000 has none of more than a few megabytes.
		"max_upload_parts": {"1000", "10000"},
	},
}

// mostBuffered is how much of one file a request may have in memory while it is sent:
// so many parts of such a size.
const mostBuffered = 128 << 20

// buffers are the two options whose product that is.
var buffers = map[string][2]string{
	"azureblob": {"chunk_size", "upload_concurrency"},
	"s3":        {"chunk_size", "upload_concurrency"},
}

// checkNumber refuses a number that a request may not choose.
func checkNumber(info *fs.RegInfo, option, value string) error {
	within, ok := spans[info.Name][option]
	if !ok || value == "" || failpoint.Off("numbers-are-bounded") { // rclone takes its default for an empty one
		return nil
	}
	o := info.Options.Get(option)
	n, err := number(o, value)
	least, lerr := number(o, within.least)
	most, merr := number(o, within.most)
	if err != nil || lerr != nil || merr != nil || n < least || n > most {
		return refusal("option %q of a remote of type %q: a request may choose from %s to %s; for other values %s", option, info.Name, within.least, within.most, operatorsFile)
	}
	return nil
}

// checkBuffers refuses options that are small enough one by one and not together. The
// numbers have been checked.
func checkBuffers(info *fs.RegInfo, options map[string]string) error {
	pair, ok := buffers[info.Name]
	if !ok {
		return nil
	}
	product := int64(1)
	for _, name := range pair {
		o := info.Options.Get(name)
		value := options[name]
		if value == "" {
			value = (&fs.Option{Default: o.Default}).String()
		}
		n, err := number(o, value)
		if err != nil {
			return refusal("option %q of a remote of type %q is no number", name, info.Name)
		}
		product *= n
	}
	if product > mostBuffered {
		return refusal("options %q and %q of a remote of type %q: their product, which is kept in memory for each file, may be at most %s in a request; for more %s",
			pair[0], pair[1], info.Name, fs.SizeSuffix(mostBuffered), operatorsFile)
	}
	return nil
}

// number reads a value as rclone reads it.
func number(o *fs.Option, value string) (int64, error) {
	like := o.Default
	switch _, text := like.(string); { // of these rclone says only later that they are numbers
	case !text && like != nil:
	case o.Name == "level":
		like = 0
	default:
		like = fs.SizeSuffix(0)
	}
	read, err := configstruct.StringToInterface(like, value)
	if err != nil {
		return 0, err
	}
	return reflect.ValueOf(read).Int(), nil
}
