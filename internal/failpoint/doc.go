// Package failpoint has points in the code at which a test can wait, fail or kill the
// process, and safety lines that a test can switch off.
//
// Both exist only in builds with the tag failpoints, which `make test` sets. Without
// the tag Hit and Off are constants that the compiler removes, with their names.
//
// # Points
//
// A point is hit with the name of the server that runs the code, because the servers
// of an in-process cluster share this package:
//
//	if err := failpoint.Hit(ctx, "coordinator/backup/lock/commit", s.ID); err != nil {
//		return err
//	}
//
// Code that cannot handle an error writes _ = failpoint.Hit(…): there only waiting and
// killing have an effect. A test arms a point for as long as it needs it:
//
//	defer failpoint.Set("coordinator/backup/lock/commit", failpoint.Anybody, func(ctx context.Context, who string) error {
//		close(reached)
//		<-goOn
//		return nil
//	})()
//
// A process is armed by its environment, which is read once, when it starts.
// STASIS_FAILPOINTS is a list of point=action or point@server=action, with semicolons
// between them. The actions are
//
//	wait         until the context of the code ends
//	wait:FILE    until FILE exists, or the context ends
//	fail         with an error that says that it is injected
//	fail:TEXT    with this error
//	kill         the process, as SIGKILL does
//
// wait:FILE first makes the file FILE.reached, so that a test knows that the process has
// reached the point. A value that cannot be parsed, or that names a point that does not
// exist, ends the process with status 2.
//
// # Safety lines
//
// A safety line is a check whose removal a test must notice. It is written so that it
// can be switched off by the environment variable STASIS_MUTANT, one at a time:
//
//	if failpoint.Off("create-requires-lock") {
//		tx.Pre = nil
//	}
//
// The list in internal/failpoint/mutants names the test that has to fail then, and
// `make mutants` sees that it does.
package failpoint
