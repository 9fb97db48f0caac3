// Package failpoint has points in the code at which the fault lab can delay a server, and a
// test can wait, fail or kill the process; and safety lines that a test can switch off.
//
// Actions and safety lines exist only in builds with the tag failpoints, which `make test`
// sets. Without the tag Off is a constant that the compiler removes, and Hit can do nothing
// but delay: it reads one pointer, which is nil unless [Delay] was called in this process.
// Only fault.Buggify calls it, for a run of the lab: no flag of a server, no variable of its
// environment and no request does.
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
// # Random delays
//
// [Delay] lets points wait, and the steps that servers tell ([Linger]). Where a mutex is held
// there may be a point, but no random delay: a goroutine that waits for a mutex stops the time
// of a bubble. The points of this kind are listed in delays.go.
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
