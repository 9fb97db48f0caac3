package rclone

import "context"

// folders makes each folder of a remote once. Put makes the folder above that of an
// object; the backend makes the object's own. The backend would make the one above, too,
// but only after it had asked for the object's in vain, and each of several Puts at once
// would.
type folders struct {
	turn chan struct{} // held while a folder is made; guards made
	made map[string]bool
}

func newFolders() folders { return folders{make(chan struct{}, 1), map[string]bool{}} }

func (f *folders) make(ctx context.Context, folder string, mkdir func(context.Context, string) error) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if folder == "." {
		folder = ""
	}
	if f.made[folder] {
		return nil
	}
	err := mkdir(ctx, folder)
	f.made[folder] = err == nil
	return err
}
