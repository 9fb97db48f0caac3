// Package failpoint names points in the code at which a test can wait, fail or kill
// the process, and safety lines that a test can switch off.
//
// Both exist only in builds with the tag failpoints, which `make test` sets. Without
// the tag Hit and Off are constants that the compiler removes.
//
// A point is hit with the name of the server that runs the code, because the servers
// of an in-process cluster share this package:
//
//	if err := failpoint.Hit(ctx, "coordinator/backup/commit", s.ID); err != nil {
//		return err
//	}
//
// A test arms it for as long as it needs it:
//
//	defer failpoint.Set("coordinator/backup/commit", failpoint.Anybody, func(ctx context.Context, who string) error {
//		close(reached)
//		<-goOn
//		return nil
//	})()
//
// A safety line is a check whose removal a test must notice. It is written so that it
// can be switched off, and `make mutants` switches off one after the other:
//
//	if !failpoint.Off("lease-after-read") && lease() != nil { … }
package failpoint
