package backup

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/step"
)

func TestCreateMakesOneCompleteBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var steps []step.Name
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Server == "" {
				steps = append(steps, e.Step)
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{Label: "first"})
		require.NoError(t, err)
		require.Equal(t, "2000-01-01T00.00.00Z_first", r.ID)
		require.Equal(t, "2000-01-01T00:00:00Z", r.DateTime)
		require.EqualValues(t, 300, r.SizeInBytes)
		require.Equal(t, 6, r.NrFiles)
		require.Equal(t, 3, r.NrDBServers)
		require.False(t, r.PotentiallyInconsistent)
		require.Len(t, r.LockReport.Attempts, 1)
		require.Greater(t, r.LockReport.GateHoldSeconds, r.LockReport.LockHoldSeconds)
		require.Equal(t, []step.Name{
			step.AgencyLock, step.AgencyLocked, step.PlanDump, step.Prepare, step.LockAttempt, step.Locked, step.Cut,
			step.GatesOpened, step.Linking, step.Verified, step.Sealed, step.Committing, step.Committed, step.Publishing,
		}, steps)
		w.requireBackup("create", r.ID)
	})
}

// The certificate is what somebody has who has nothing but a piece.
func TestCreateSealsTheCertificateIntoEveryPiece(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		r := w.create("sealed")
		var commit keys.Commit
		require.NoError(t, w.agency.root().At(keys.HotBackupCommit(r.ID)).Decode(&commit))
		for id, s := range w.servers {
			p := s.pieces[r.ID]
			cert, err := ParseCertificate(p.cert)
			require.NoError(t, err)
			hash, err := hashJSON(p.cert)
			require.NoError(t, err)
			require.Equal(t, commit.CertificateSHA256, hash)
			require.Empty(t, cert.Problems())
			require.Equal(t, "cluster-uuid", cert.Agency.ClusterID)
			require.EqualValues(t, 5, cert.Agency.Term)
			require.Positive(t, cert.Agency.Index)
			require.Equal(t, p.meta.ManifestSHA256, cert.Servers[id].Piece.ManifestSHA256)
			require.NotEmpty(t, cert.History.Steps)
			require.Equal(t, r.LockReport, cert.History.Lock, "the lock report is kept with the backup")
			plan, err := parseDump(list(t, s, r.ID).AgencyDump.Dump)
			require.NoError(t, err)
			require.ElementsMatch(t, threeServers, plan.DBServers)
			require.EqualValues(t, 1000, plan.LatestID)
		}
	})
}

func list(t *testing.T, s *fakeServer, id string) dbserver.PieceDetail {
	t.Helper()
	pieces := s.list(dbserver.ListRequest{IDs: []string{id}, WithDetails: true}).Pieces
	require.Len(t, pieces, 1)
	return pieces[0]
}

// A window is exactly a tenth longer than the one before, and the last one is cut
// off at the timeout.
func TestWindowsGrowByATenth(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background()) // a write that does not end
		require.NoError(t, err)
		var starts []time.Time
		var windows []time.Duration
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Step == step.LockAttempt {
				starts, windows = append(starts, e.At), append(windows, e.Window)
			}
		}))
		begun := time.Now()
		_, err = s.Create(context.Background(), CreateRequest{Timeout: 10 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "PRMR-2: gate not granted")
		require.InDelta(t, 10, time.Since(begun).Seconds(), 0.2)
		require.Greater(t, len(windows), 8)
		for i, got := range windows[:len(windows)-1] {
			want := time.Duration(math.Round(float64(500*time.Millisecond) * math.Pow(1.1, float64(i))))
			require.Equal(t, want, got, "window %d", i+1)
			// window, two ways over the wire to lock and to release, and the pause
			require.Equal(t, want+2*time.Millisecond+2*time.Millisecond+50*time.Millisecond-time.Millisecond, starts[i+1].Sub(starts[i])-time.Millisecond, "distance %d", i+1)
		}
		last := windows[len(windows)-1]
		require.Less(t, last, time.Duration(float64(windows[len(windows)-2])*1.1))
		leave()
		w.requireClean("timeout")
	})
}

func TestTimeoutHasAFloor(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-1"].gate.Enter(context.Background())
		require.NoError(t, err)
		defer leave()
		begun := time.Now()
		_, err = w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: time.Millisecond})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.InDelta(t, 2.5, time.Since(begun).Seconds(), 0.1)
	})
}

func TestForceTriesForAnotherTimeout(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-1"].gate.Enter(context.Background())
		require.NoError(t, err)
		time.AfterFunc(7*time.Second, leave)
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 5 * time.Second, Force: true})
		require.NoError(t, err)
		require.Greater(t, r.LockReport.LockSeconds, 5.0)
		require.False(t, r.PotentiallyInconsistent)
		w.requireBackup("force", r.ID)
	})
}

// Without the global lock the backup is marked in the agency, in every piece and
// in its certificate.
func TestAllowInconsistentMarksForEver(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-3"].gate.Enter(context.Background())
		require.NoError(t, err)
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, AllowInconsistent: true})
		leave()
		require.NoError(t, err)
		w.requireMarked(r)
		cert, err := ParseCertificate(list(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.Equal(t, LockModeNone, cert.Instant.LockMode)
		require.NotEmpty(t, cert.Problems())
		require.NotEmpty(t, cert.History.Lock.Attempts)
		w.requireBackup("inconsistent", r.ID)
	})
}

func (w *world) requireMarked(r CreateResult) {
	w.t.Helper()
	require.True(w.t, r.PotentiallyInconsistent)
	var commit keys.Commit
	require.NoError(w.t, w.agency.root().At(keys.HotBackupCommit(r.ID)).Decode(&commit))
	require.True(w.t, commit.PotentiallyInconsistent)
	for _, s := range w.servers {
		require.True(w.t, s.pieces[r.ID].meta.PotentiallyInconsistent)
	}
	listed, err := w.service(coordinatorA).List(context.Background(), ListRequest{})
	require.NoError(w.t, err)
	require.True(w.t, listed.List[r.ID].PotentiallyInconsistent)
}

// A server says that its gate was not held all the time: there is no instant.
func TestBrokenGateFailsTheBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.gate = func(r *dbserver.GateReleaseResponse) { r.Unbroken, r.Reason = false, "the lease ran out" }
		})
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "PRMR-2: the gate was not held without a break: the lease ran out")
		w.requireClean("broken")

		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{AllowInconsistent: true})
		require.NoError(t, err)
		w.requireMarked(r)
	})
}

// A server whose clock says that it held the gate for less than the coordinator
// saw cannot be believed.
func TestContradictoryEvidenceFailsTheBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.cutTime = []time.Duration{100 * time.Millisecond}
			q.gate = func(r *dbserver.GateReleaseResponse) { r.HeldSeconds = 0.05 }
		})
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.ErrorContains(t, err, "PRMR-2: the gate says it was held for")
		w.requireClean("contradiction")
	})
}

func TestPiecesThatDoNotAgreeFailTheBackup(t *testing.T) {
	for name, spoil := range map[string]func(*dbserver.Piece){
		"agency dump": func(p *dbserver.Piece) { p.AgencyDumpSHA256 = "other" },
		"nonce":       func(p *dbserver.Piece) { p.Nonce = "other" },
		"id":          func(p *dbserver.Piece) { p.ID = "other" },
		"manifest":    func(p *dbserver.Piece) { p.ManifestSHA256 = "" },
		"count":       func(p *dbserver.Piece) { p.NrDBServers = 2 },
		"epoch":       func(p *dbserver.Piece) { p.Epoch = 9 },
		"mark":        func(p *dbserver.Piece) { p.PotentiallyInconsistent = true },
		"server":      func(p *dbserver.Piece) { p.ServerID = "PRMR-9" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.piece = spoil })
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
				require.ErrorIs(t, err, apierror.BackupCreate)
				require.ErrorContains(t, err, "PRMR-2")
				w.requireClean(name)
			})
		})
	}
}

// A cut that misses its deadline gives the gates back and counts as a failed
// attempt; the next one makes the backup.
func TestMissedCutIsTriedAgain(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = []time.Duration{8 * time.Second} })
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Len(t, r.LockReport.Attempts, 2)
		require.Contains(t, r.LockReport.Attempts[0].Failed["PRMR-1"], "the cut took longer")
		require.Less(t, r.LockReport.LockHoldSeconds, 0.1)
		w.requireBackup("second attempt", r.ID)
	})
}

// Writers that queue behind the gate are counted, and go on.
func TestDeadTimesAreReported(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.servers["PRMR-1"]
		leave, err := s.gate.Enter(context.Background())
		require.NoError(t, err)
		time.AfterFunc(700*time.Millisecond, leave)
		var writer sync.WaitGroup
		service := w.service(coordinatorA, withSteps(func(ctx context.Context, e step.Event) {
			if e.Step == step.LockAttempt {
				writer.Go(func() {
					time.Sleep(10 * time.Millisecond) // the lock waits by now
					_ = s.write(context.Background(), 1)
				})
			}
		}))
		r, err := service.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		writer.Wait()
		require.Len(t, r.LockReport.Attempts, 2)
		require.Equal(t, 2, r.LockReport.WritersWaited)
		require.InDelta(t, 0.49, r.LockReport.DeadLongestSeconds, 0.02)
		require.Greater(t, r.LockReport.DeadSumSeconds, r.LockReport.DeadLongestSeconds)
	})
}

// Of two backups at once one waits for the other, and both are made.
func TestTwoBackupsAtOnceRunOneAfterTheOther(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var both sync.WaitGroup
		results, errs := make([]CreateResult, 2), make([]error, 2)
		for i, coordinator := range []string{coordinatorA, coordinatorB} {
			both.Go(func() {
				results[i], errs[i] = w.service(coordinator).Create(context.Background(), CreateRequest{Label: "same"})
			})
		}
		both.Wait()
		require.NoError(t, errors.Join(errs...))
		require.NotEqual(t, results[0].ID, results[1].ID)
		root := w.agency.root()
		require.Equal(t, 2, root.At(keys.HotBackupCommits).Len())
		require.False(t, root.At(keys.HotBackupCreate).Exists())
	})
}

// Who waits in vain is told whose lock it is.
func TestLockCollisionNamesTheHolder(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.agency.must(t, agency.Tx{Ops: map[string]any{
			keys.HotBackupCreate: "2000-01-01T00:10:00Z",
			keys.HotBackupHolder: keys.Holder{ID: "2000-01-01T00.00.00Z_other", Operation: keys.OperationRestore, Coordinator: coordinatorB, Nonce: "theirs"},
		}})
		begun := time.Now()
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 4 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		for _, part := range []string{"restore", "2000-01-01T00.00.00Z_other", coordinatorB} {
			require.ErrorContains(t, err, part)
		}
		require.InDelta(t, 4, time.Since(begun).Seconds(), 0.1)
		require.Equal(t, "theirs", w.agency.root().At(keys.HotBackupNonce).Text(), "somebody else's lock was touched")
	})
}

// While a backup runs Plan is frozen from the index of the lock on.
func TestPlanIsFrozenWhileABackupRuns(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		tried := 0
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Step == step.AgencyLocked || e.Step == step.Committing {
				_, err := w.agency.apply(agency.Tx{Ops: map[string]any{keys.PlanVersion: agency.Increment(1)}})
				require.ErrorIs(t, err, agency.ErrPrecondition)
				tried++
			}
		}))
		_, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, 2, tried)
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.PlanVersion: agency.Increment(1)}})
	})
}

// The lease: somebody takes the lock away, and the work ends by itself.
func TestLostLeaseCancelsTheWork(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Step == step.Linking {
				w.agency.must(t, agency.Tx{Ops: map[string]any{keys.HotBackupCreate: agency.Delete(), keys.HotBackupHolder: agency.Delete()}})
			}
		}))
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, errLockLost)
		require.Less(t, time.Since(begun), linkTime, "linking was not cut off")
		w.requireClean("lost lease")
	})
}

// The same when the lock is there but cannot be renewed; and a lock that somebody
// else has meanwhile is left alone.
func TestLeaseThatCannotBeRenewedCancelsTheWork(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Step == step.Locked {
				w.faults.breakCalls(func(call string) bool { return strings.HasPrefix(call, "agency") })
				w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = []time.Duration{900 * time.Millisecond} })
			}
			if e.Step == step.Linking { // linking and sealing could go on for minutes
				w.servers["PRMR-1"].quirk(func(q *quirks) { q.linkFails = errors.New("must not be reached") })
			}
		}), func(d *Deps) { d.Timing.Lease = 3 * time.Second })
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, errLockLost)
		require.InDelta(t, 3, time.Since(begun).Seconds(), 1.1)
		for id, s := range w.servers {
			require.Empty(t, s.pieceIDs(), id)
		}
		require.True(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "the supervision's to take away")
	})
}

func TestRenewalsKeepTheLock(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var beats []uint64
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			beats = append(beats, number(w.agency.root().At(keys.HotBackupBeat)))
		}), func(d *Deps) { d.Timing.Lease = 3 * time.Second })
		_, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Contains(t, beats, uint64(7), "one beat a second while linking took six, after the first")
	})
}

// A server that cannot be reached ends the backup at once, with its name.
func TestUnreachableServerIsNamed(t *testing.T) {
	for _, call := range []string{"list", "prepare", "lock", "cut", "link", "seal"} {
		t.Run(call, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.faults.breakCalls(func(c string) bool { return c == call+" PRMR-2" })
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{AllowInconsistent: true})
				require.ErrorContains(t, err, "PRMR-2")
				want := apierror.BackupCreate
				switch call {
				case "lock":
					want = apierror.BackupLockFailed
				case "list", "prepare": // nothing has been done yet
					want = apierror.ServiceUnavailable
				}
				require.ErrorIs(t, err, want)
				w.requireClean(call)
			})
		})
	}
}

// A server that hangs does not hold up the others for long, whatever it was doing.
func TestServerThatHangsFailsTheBackupWithinSeconds(t *testing.T) {
	for _, at := range []step.Name{step.PlanDump, step.Prepare, step.LockAttempt, step.Cut, step.CutDone, step.Linking, step.Verified} {
		t.Run(string(at), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				var since time.Time
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
					if e.Step == at && since.IsZero() {
						since = time.Now()
						w.servers["PRMR-3"].quirk(func(q *quirks) { q.deaf = true })
					}
				}))
				_, err := s.Create(context.Background(), CreateRequest{})
				require.ErrorContains(t, err, "PRMR-3")
				require.Less(t, time.Since(since), 27*time.Second)
				require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "failover must go on")
				require.NotEqual(t, apierror.Cancelled, apierror.From(err).Num)
				time.Sleep(10 * time.Second) // the dead server's gate opens by its lease
				w.requireOpen(string(at))
			})
		})
	}
}

func TestFullDiskKeepsItsNumber(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.linkFails = apierror.New(apierror.NoSpace, "no space left") })
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.NoSpace)
		require.ErrorContains(t, err, "PRMR-2")
		w.requireClean("full disk")
	})
}

// A server that does not publish after the commit does not fail the backup.
func TestUnpublishedPieceDoesNotFailTheBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.faults.breakCalls(func(c string) bool { return c == "publish PRMR-2" })
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, []string{"PRMR-2"}, r.Unpublished)
		listed, err := w.service(coordinatorA).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		entry := listed.List[r.ID]
		require.False(t, entry.Available)
		require.Equal(t, 2, entry.NrPiecesPresent)
		require.Equal(t, []string{"PRMR-2"}, entry.Missing)

		w.servers["PRMR-2"].quirk(func(q *quirks) { q.resolves = true })
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.HeartbeatMS: 1000}})
		time.Sleep(time.Second)
		w.requireBackup("published by itself", r.ID)
	})
}

func TestSameSecondTakesTheNext(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		taken := "2000-01-01T00.00.00Z_label"
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.HotBackupCommit(taken): keys.Commit{ID: taken, Nonce: "n"}}})
		w.servers["PRMR-2"].pieces["2000-01-01T00.00.01Z_label"] = &fakePiece{} // a piece of something not committed here
		r := w.create("label")
		require.Equal(t, "2000-01-01T00.00.02Z_label", r.ID)
	})
}

func TestCreateRefusesBadLabels(t *testing.T) {
	s := New(Deps{})
	for _, label := range []string{"a/b", "a..b", "..\\x", "a b", "ü", "a:b", strings.Repeat("x", 200)} {
		_, err := s.Create(context.Background(), CreateRequest{Label: label})
		require.ErrorIs(t, err, apierror.BadParameter, label)
	}
}

// A writer writes n to one server and, when that is acknowledged, n to the next:
// whoever has the later write must have the earlier one. With the gates every
// backup shows that; without them some do not. The second half shows that this
// test can fail.
func TestBackupIsOneInstantAndWithoutLocksIsNot(t *testing.T) {
	torn := func(t *testing.T, withoutLocks bool) (broken int) {
		inWorld(t, threeServers, func(w *world) {
			for _, s := range w.servers { // the cuts happen one after the other
				s.quirk(func(q *quirks) {
					for i := range 5 {
						q.cutTime = append(q.cutTime, time.Duration(i*int(s.id[5]-'0'))*10*time.Millisecond)
					}
				})
			}
			ctx, stop := context.WithCancel(context.Background())
			var writer sync.WaitGroup
			writer.Go(func() {
				for n := 1; ctx.Err() == nil; n++ {
					for _, id := range threeServers {
						_ = w.servers[id].write(ctx, n)
						_ = pause(ctx, time.Millisecond)
					}
				}
			})
			for range 5 {
				r, err := w.service(coordinatorA, func(d *Deps) { d.WithoutLocks = withoutLocks }).Create(context.Background(), CreateRequest{})
				require.NoError(t, err)
				require.Equal(t, withoutLocks, r.PotentiallyInconsistent)
				value := func(id string) int { return w.servers[id].pieces[r.ID].value }
				if value("PRMR-1") < value("PRMR-2") || value("PRMR-2") < value("PRMR-3") {
					broken++
				}
			}
			stop()
			writer.Wait()
		})
		return broken
	}
	require.Zero(t, torn(t, false))
	require.Positive(t, torn(t, true), "the checker does not see what lock mode none breaks")
}
