package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// room is a package of ours: what it may import of ours besides internal/… and event
// (which all may), and why no more. "x/..." is x and what is below it.
type room struct {
	path    string
	imports []string
	because string
}

// rooms is the import table. Arrows point one way: cmd → minicluster →
// coordinator, dbserver, agency → fsm. A new package is entered here first.
var rooms = []room{
	{"fsm", nil, "it is pure: replicas must not differ by what surrounds them"},
	{"internal/apierror", nil, "internal packages serve all rooms and know none"},
	{"internal/atonce", nil, "internal packages serve all rooms and know none"},
	{"internal/backupname", nil, "internal packages serve all rooms and know none"},
	{"internal/bootclock", nil, "internal packages serve all rooms and know none"},
	{"internal/bubbles", nil, "internal packages serve all rooms and know none"},
	{"internal/budget", nil, "internal packages serve all rooms and know none"},
	{"internal/datadir", nil, "internal packages serve all rooms and know none"},
	{"internal/disklock", nil, "internal packages serve all rooms and know none"},
	{"internal/figures", nil, "it is a tool: it measures packages and knows none"},
	{"internal/fileid", nil, "which file it is does not depend on what is in it"},
	{"internal/fixture", nil, "internal packages serve all rooms and know none"},
	{"internal/failpoint", nil, "internal packages serve all rooms and know none"},
	{"internal/failpoint/mutants", nil, "it is a tool: it runs tests and knows nothing of what they test"},
	{"internal/logfile", nil, "internal packages serve all rooms and know none"},
	{"internal/network", nil, "internal packages serve all rooms and know none"},
	{"internal/overlay", nil, "what is below is a file system, whatever is on it"},
	{"internal/rest", nil, "HTTP dispatch knows nothing of what is served"},
	{"internal/rules", nil, "it is a tool: it checks packages and knows none"},
	{"internal/shardkey", nil, "where a document is depends on its values alone"},
	{"internal/told", nil, "internal packages serve all rooms and know none"},
	{"internal/signingkey", nil, "internal packages serve all rooms and know none"},
	{"internal/version", nil, "internal packages serve all rooms and know none"},
	{"internal/wall", nil, "a clock is read without knowing who asks"},
	{"internal/wait", nil, "internal packages serve all rooms and know none"},

	{"event", nil, "what happened is told without knowing who hears it"},
	{"client", []string{"client/certificate"}, "a client of the public API knows what any client knows"},
	{"client/certificate", nil, "evidence is checked without a cluster, by anyone"},
	{"fault", nil, "what breaks a network, a disk or an operation knows no server"},
	{"fault/control", []string{"fault"}, "orders break a process without knowing which server it is"},

	{"agency/keys", nil, "names and plain data only: all rooms but fsm use it"},
	{"agency/client", []string{"agency/keys", "fsm"}, "a client needs the tree's plain types, not the server"},
	{"agency/agencytest", []string{"agency/client", "fsm"}, "an agency for tests is the state machine and no more"},
	{"agency", []string{"agency/...", "fsm"}, "the agency knows nothing of those who use it"},
	{"agency/addressbook", nil, "an address is found by an id alone"},
	{"agency/answer", []string{"fsm"}, "an answer is written from a tree, whichever agent leads"},
	{"agency/api", []string{"agency/answer", "agency/asyncjob", "agency/client", "agency/fence", "agency/founding", "agency/keys", "agency/leadership", "agency/member", "agency/observer", "agency/origin", "agency/outcome", "agency/proposer", "agency/quota", "agency/readindex", "agency/tree", "fsm"}, "it turns requests into calls of the other rooms and knows no Raft"},
	{"agency/asyncjob", []string{"agency/answer"}, "an answer that is fetched later is bytes: what was asked does not matter"},
	{"agency/fence", nil, "it stands between Raft and the other agents and knows no tree"},
	{"agency/founding", []string{"agency/keys", "agency/learner", "agency/origin"}, "a founding is decided from answers: how they came does not matter"},
	{"agency/joining", []string{"agency/founding", "agency/keys", "agency/learner", "agency/member", "agency/origin", "agency/store"}, "an agent joins before it serves anything"},
	{"agency/leadership", []string{"agency/outcome", "fsm"}, "it says when something may be done as leader, not what"},
	{"agency/learner", []string{"agency/fence", "agency/note"}, "whether an agent may vote does not depend on which agency it belongs to"},
	{"agency/member", []string{"agency/addressbook", "agency/client", "agency/leadership", "agency/outcome", "agency/raftcall", "agency/readindex"}, "members are changed without knowing what they replicate"},
	{"agency/note", nil, "notes are read and written without knowing what they decide"},
	{"agency/observer", []string{"agency/answer", "agency/keys", "agency/leadership", "fsm"}, "observers are told what the tree says, by whichever agent leads"},
	{"agency/origin", []string{"agency/keys", "agency/learner", "agency/note"}, "strangers are told apart by origins alone"},
	{"agency/outcome", nil, "how a change can end does not depend on what is changed"},
	{"agency/port", []string{"agency/addressbook", "agency/keys"}, "connections are sorted without knowing what they carry"},
	{"agency/proposer", []string{"agency/fence", "agency/leadership", "agency/outcome", "agency/quota", "agency/raftcall", "agency/tree", "fsm"}, "transactions are replicated without knowing who sent them"},
	{"agency/quota", []string{"agency/client", "agency/keys", "fsm"}, "limits depend on transactions, not on how they are replicated"},
	{"agency/raftcall", []string{"agency/fence", "agency/outcome"}, "a call of Raft is waited for, whatever it changes"},
	{"agency/readindex", []string{"agency/fence", "agency/leadership", "agency/outcome", "fsm"}, "a read is confirmed without knowing what is read"},
	{"agency/recovery", []string{"agency/client", "agency/keys", "agency/member", "agency/note", "agency/origin", "agency/store", "agency/tree", "fsm"}, "what is left of an agency is recovered from its disks, offline"},
	{"agency/raftnode", []string{"agency/addressbook", "agency/fence", "agency/keys", "agency/member", "agency/port", "agency/raftcall", "agency/readindex", "agency/store", "agency/transport", "agency/tree", "agency/validation"}, "Raft is started without knowing what is done with it"},
	{"agency/store", []string{"agency/note", "agency/validation", "fsm"}, "what is kept knows nothing of how it is replicated"},
	{"agency/transport", []string{"agency/addressbook", "agency/fence", "agency/port", "agency/readindex"}, "it carries calls of Raft and judges none"},
	{"agency/tree", []string{"agency/quota", "agency/store", "fsm"}, "what is committed is applied without knowing who leads"},
	{"agency/validation", []string{"fsm"}, "what arrives is judged by itself, without state"},
	{"agency/supervision", []string{"agency/...", "fsm"}, "supervision acts through the agency's tree only"},
	{"agency/supervision/job", []string{"agency/client", "agency/keys", "agency/supervision/job/facts", "fsm"}, "what is to be done is decided from a tree alone: no clock, no network"},
	{"agency/supervision/job/facts", []string{"agency/client", "agency/keys", "fsm"}, "facts are read from one tree and never changed"},

	{"dbserver/client", []string{"agency/keys", "client/certificate"}, "the wire of a DB server must not pull in its engine"},
	{"dbserver", []string{"agency/client", "agency/keys", "dbserver/..."}, "a DB server meets agents and coordinators over the wire only"},
	{"dbserver/api", []string{"agency/client", "agency/keys", "dbserver/client", "dbserver/diskhealth", "dbserver/engine", "dbserver/gate", "dbserver/pieces", "dbserver/store", "dbserver/transaction"}, "requests know the data, the gate and the pieces, and no server"},
	{"dbserver/backup", []string{"agency/keys", "client/certificate", "dbserver/backup/piece", "dbserver/client", "dbserver/engine", "dbserver/engine/sums", "dbserver/shard"}, "the pieces of a server are folders: no server, no network"},
	{"dbserver/backup/piece", []string{"agency/keys", "client/certificate", "dbserver/client", "dbserver/engine", "dbserver/engine/sums", "dbserver/shard"}, "a piece is files, an engine and the replicas in it"},
	{"dbserver/diskhealth", nil, "whether a disk hangs is found out at its file system, whatever writes there"},
	{"dbserver/engine", []string{"agency/keys", "dbserver/diskhealth", "dbserver/engine/scrub", "dbserver/engine/sums"}, "the engine knows nothing of shards and servers"},
	{"dbserver/engine/scrub", []string{"dbserver/engine/sums"}, "tables are read and compared without opening them"},
	{"dbserver/engine/sums", nil, "sums of files are kept without knowing what is in the files"},
	{"dbserver/gate", []string{"agency/keys"}, "the gate knows nothing of what passes it"},
	{"dbserver/hosting", []string{"agency/client", "agency/keys", "dbserver/client", "dbserver/engine", "dbserver/pieces", "dbserver/replica", "dbserver/shard", "dbserver/store"}, "which engine is open follows from the agency's tree and the disk"},
	{"dbserver/lease", []string{"agency/client", "agency/keys", "dbserver/diskhealth"}, "the right to serve depends on clocks, the agency and the disk alone"},
	{"dbserver/locks", nil, "who has what and who waits does not depend on what is locked"},
	{"dbserver/pieces", []string{"agency/client", "agency/keys", "dbserver/backup", "dbserver/client"}, "what becomes of a piece is decided by the agency"},
	{"dbserver/reconcile", []string{"agency/client", "agency/keys", "dbserver/diskhealth", "dbserver/hosting", "dbserver/lease", "dbserver/pieces", "dbserver/replica", "dbserver/store"}, "Plan is followed by what has the data, and no request is known"},
	{"dbserver/transaction", []string{"agency/client", "agency/keys", "dbserver/client", "dbserver/gate", "dbserver/locks", "dbserver/shard", "dbserver/store"}, "parts of transactions know the data, the gate and Plan, and no request"},
	{"dbserver/transfer", []string{"agency/client", "agency/keys", "client/certificate", "dbserver/backup/...", "dbserver/client", "dbserver/transfer/repository", "dbserver/transfer/storage"}, "jobs move pieces, report to the agency, and know remotes as an interface only"},
	{"dbserver/transfer/repository", []string{"agency/keys", "client/certificate", "dbserver/backup/piece", "dbserver/client", "dbserver/transfer/storage"}, "what is at a remote is the same whichever job brought it"},
	{"dbserver/transfer/storage", []string{"dbserver/client"}, "a storage knows names and bytes alone"},
	{"dbserver/transfer/rclone", []string{"dbserver/client", "dbserver/transfer/rclone/egress", "dbserver/transfer/rclone/noconfig", "dbserver/transfer/storage"}, "it is a remote and no more"},
	{"dbserver/transfer/rclone/egress", []string{"dbserver/transfer/storage"}, "where connections may go depends on no remote"},
	{"dbserver/transfer/rclone/noconfig", nil, "it is initialised before rclone because it imports syscall alone"},
	{"dbserver/transfer/remotetest", []string{"dbserver/client", "dbserver/transfer/storage"}, "a remote for tests"},
	{"dbserver/replica", []string{"agency/client", "agency/keys", "dbserver/client", "dbserver/engine", "dbserver/shard"}, "a leader meets its followers over the wire and the agency, and knows no server"},
	{"dbserver/shard", []string{"agency/keys", "dbserver/client", "dbserver/engine", "dbserver/locks"}, "one shard knows no other and no server"},
	{"dbserver/store", []string{"dbserver/client", "dbserver/engine", "dbserver/locks", "dbserver/replica", "dbserver/shard"}, "the open data knows no server, and no agency but through its replicas"},

	{"coordinator", []string{"agency/client", "agency/keys", "client", "coordinator/...", "dbserver/client"}, "a coordinator meets the other servers over the wire only"},
	{"coordinator/api/admin", []string{"agency/client", "agency/keys", "coordinator/balance", "coordinator/catalog"}, "jobs are wishes in the agency: the supervision carries them out"},
	{"coordinator/api/cursors", []string{"coordinator/catalog", "coordinator/cursor", "coordinator/route", "dbserver/client"}, "a handler finds a collection, reads shards, and keeps a cursor"},
	{"coordinator/api/ddl", []string{"agency/keys", "coordinator/api/users", "coordinator/catalog", "coordinator/document", "coordinator/route"}, "handlers translate: the catalog decides"},
	{"coordinator/api/documents", []string{"coordinator/bulk", "coordinator/catalog", "coordinator/document", "coordinator/route", "dbserver/client"}, "handlers make operations: the router applies them"},
	{"coordinator/api/server", []string{"coordinator/catalog", "coordinator/cursor"}, "a coordinator tells of itself without asking others"},
	{"coordinator/api/status", []string{"agency/client", "agency/keys", "client", "coordinator/catalog", "dbserver/client"}, "what is told of the cluster is read, never changed"},
	{"coordinator/api/steps", []string{"client"}, "what happened is told without knowing what it means"},
	{"coordinator/api/transactions", []string{"coordinator/catalog", "coordinator/transaction", "dbserver/client"}, "handlers translate, and pass on: a transaction is what its manager says"},
	{"coordinator/api/users", nil, "there are no users"},
	{"coordinator/backup", []string{"agency/client", "agency/keys", "client/...", "coordinator/backup/...", "dbserver/client"}, "it puts the commands together and serves them"},
	{"coordinator/backup/backupid", nil, "a name depends on the clock and on chance alone"},
	{"coordinator/backup/create", []string{"agency/client", "agency/keys", "coordinator/backup/backupid", "client/certificate", "client", "coordinator/backup/fanout", "coordinator/backup/lock", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/signing", "coordinator/backup/topology", "dbserver/client"}, "a create shares the common layer with the other commands and knows none of them"},
	{"coordinator/backup/fanout", []string{"dbserver/client"}, "it knows how all servers are asked, not what"},
	{"coordinator/backup/list", []string{"agency/keys", "client", "client/certificate", "coordinator/backup/fanout", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/topology", "dbserver/client"}, "a list takes no lock and changes nothing"},
	{"coordinator/backup/lock", []string{"agency/client", "agency/keys", "client", "coordinator/backup/operation"}, "the lock is the agency's: DB servers have no part in it"},
	{"coordinator/backup/operation", []string{"agency/client", "coordinator/backup/backupid"}, "what an operation is does not depend on what it does"},
	{"coordinator/backup/piece", []string{"agency/keys", "client/certificate", "coordinator/backup/fanout", "coordinator/backup/topology", "dbserver/client"}, "pieces are judged by what they say and what is on record"},
	{"coordinator/backup/remove", []string{"agency/client", "agency/keys", "coordinator/backup/backupid", "client", "coordinator/backup/fanout", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/topology", "dbserver/client"}, "a delete needs no lock: its commit requires that there is none"},
	{"coordinator/backup/restore", []string{"agency/client", "agency/keys", "coordinator/backup/backupid", "client/certificate", "coordinator/backup/fanout", "coordinator/backup/lock", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/topology", "client", "dbserver/client"}, "a restore shares the common layer with the other commands and knows none of them"},
	{"coordinator/backup/signing", []string{"agency/client", "agency/keys", "client", "client/certificate", "coordinator/backup/operation", "coordinator/backup/topology"}, "who signs depends on keys alone, not on what is backed up"},
	{"coordinator/backup/topology", []string{"agency/client", "agency/keys", "client/certificate", "client", "coordinator/backup/fanout", "coordinator/backup/lock", "coordinator/backup/operation", "dbserver/client"}, "what the agency says of the cluster is read, never changed"},
	{"coordinator/backup/transfer", []string{"agency/client", "agency/keys", "coordinator/backup/backupid", "client", "client/certificate", "coordinator/backup/fanout", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/topology", "dbserver/client"}, "a transfer moves pieces and never needs the agency lock"},
	{"coordinator/backup/verify", []string{"client", "client/certificate", "coordinator/backup/fanout", "coordinator/backup/operation", "coordinator/backup/piece", "coordinator/backup/topology", "dbserver/client"}, "a verify reads and changes nothing"},
	{"coordinator/balance", nil, "what to move depends on where replicas are and on nothing else"},
	{"coordinator/bulk", nil, "imports are read without knowing where documents go"},
	{"coordinator/catalog", []string{"agency/client", "agency/keys"}, "what there should be is known from the agency alone"},
	{"coordinator/cursor", nil, "cursors know nothing of what they hold"},
	{"coordinator/document", []string{"dbserver/client"}, "documents are turned into operations on shards, no more"},
	{"coordinator/transaction", []string{"agency/client", "agency/keys", "coordinator/catalog", "coordinator/route", "dbserver/client"}, "a transaction stands between the router and the servers, and knows no request of a client"},
	{"coordinator/route", []string{"agency/client", "agency/keys", "coordinator/catalog", "dbserver/client"}, "routing needs the catalog and the two clients"},

	{"minicluster", []string{"agency", "agency/client", "agency/keys", "agency/recovery", "coordinator", "client", "dbserver", "dbserver/client", "dbserver/transfer/storage", "fault", "fault/control"}, "it starts servers; what is inside them is theirs"},
	{"lab/check", []string{"agency/client", "agency/keys", "client", "client/certificate", "fsm", "lab/history", "lab/reader", "lab/verdict", "lab/workload"}, "a run is judged by what was seen of it: what was done in it, and why, is not its matter"},
	{"lab", []string{"client", "lab/director", "lab/runner", "lab/scenario", "lab/scenarios", "lab/swarm", "lab/verdict", "lab/world"}, "it puts runs together: how one is played and judged is not its matter"},
	{"lab/history", nil, "what clients did is written down without knowing what it means"},
	{"lab/anomaly", nil, "what is an anomaly follows from what transactions saw, whoever made them"},
	{"lab/workload", []string{"client", "lab/anomaly", "lab/history"}, "workloads are clients: what they found is judged by what they did"},
	{"lab/verdict", nil, "a verdict is plain data: one process writes it, another reads it"},
	{"lab/scenario", []string{"lab/history", "lab/workload"}, "a scenario is a text: which world plays it is not its matter"},
	{"lab/scenarios", []string{"lab/director", "lab/scenario", "lab/world"}, "files; their test asks which world each fits"},
	{"lab/swarm", []string{"lab/scenario"}, "it writes scenarios, and plays none"},
	{"lab/director", []string{"client", "fault", "lab/check", "lab/history", "lab/scenario", "lab/scenarios", "lab/swarm", "lab/verdict", "lab/workload", "lab/world"}, "it plays a scenario in any world, through the world's interface"},
	{"lab/runner", []string{"client", "lab/director", "lab/history", "lab/scenario", "lab/verdict", "lab/workload", "lab/world"}, "a run is a scenario, a world, a seed and a lock mode: what is done and judged is not its matter"},
	{"lab/world", []string{"agency/client", "agency/keys", "client", "dbserver/client", "dbserver/transfer/storage", "fault", "fault/control", "lab/reader", "minicluster"}, "a world breaks a cluster and looks at what is left: what is done in it, and why, is not its matter"},
	{"lab/world/conformance", []string{"agency/client", "client", "fault", "lab/world"}, "what every world has to do is done through its interface alone"},
	{"lab/reader", []string{"agency", "client", "client/certificate", "coordinator", "coordinator/backup/topology", "dbserver", "dbserver/backup/piece", "dbserver/client", "dbserver/engine", "dbserver/shard", "fault"}, "a backup is opened by the servers themselves, from its files alone"},
	{"cmd/stasis", []string{"agency/...", "client/...", "cmd/stasis/...", "coordinator/...", "dbserver/...", "fault", "fault/control", "fsm", "lab/...", "minicluster/..."}, "it wires everything; tests of whole clusters are not part of the program"},
	{"cmd/stasis/demo", []string{"client", "cmd/stasis/show", "lab/history", "lab/workload", "minicluster/..."}, "the demo is a user of a cluster, like any other"},
	{"cmd/stasis/flags", []string{"agency/client", "client", "client/certificate", "dbserver/engine", "dbserver/transfer/rclone"}, "flags are checked by those whose settings they are, before anything is started"},
	{"cmd/stasis/progress", []string{"client", "cmd/stasis/show"}, "what is drawn is known from answers alone"},
	{"cmd/stasis/show", []string{"client", "client/certificate"}, "what is shown is known from answers alone"},
	{"integration", []string{"..."}, "tests may look everywhere"},
}

// door is an outside library, or a part of the standard one, that only some
// rooms may import.
type door struct {
	library string
	except  []string // parts of it that all rooms may import
	rooms   []string
	because string
}

// replication are the rooms of an agent that take part in replication.
var replication = []string{
	"agency",
	"agency/addressbook",
	"agency/fence",
	"agency/joining",
	"agency/leadership",
	"agency/learner",
	"agency/member",
	"agency/port",
	"agency/proposer",
	"agency/raftcall",
	"agency/readindex",
	"agency/recovery",
	"agency/raftnode",
	"agency/store",
	"agency/transport",
	"agency/tree",
	"agency/validation",
}

var doors = []door{
	{"github.com/hashicorp/raft", nil, replication, "replication is the agency's"},
	{"github.com/hashicorp/raft-boltdb", nil, []string{"agency/store"}, "Raft's log and votes have one door"},
	{"github.com/hashicorp/raft-wal", nil, []string{"agency/store"}, "Raft's log and votes have one door"},
	{"go.etcd.io/bbolt", nil, []string{"agency/store"}, "Raft's log and votes have one door"},
	{"github.com/cockroachdb/pebble/v2", []string{"github.com/cockroachdb/pebble/v2/vfs"}, []string{"dbserver/engine"}, "the engine has one door; its file system is the disk seam of all"},
	{"github.com/rclone/rclone", nil, []string{"dbserver/transfer/rclone", "dbserver/transfer/rclone/egress"}, "remotes have one door"},
	{"github.com/spf13", nil, []string{"cmd/..."}, "the command line has one door"},
	{"flag", nil, []string{"cmd/...", "internal/atonce", "lab/runner"}, "the command line has one door"},
	{"github.com/stretchr/testify", nil, []string{"integration", "dbserver/transfer/remotetest"}, "production code asserts nothing"},
	{"testing", nil, []string{"integration", "internal/bubbles", "lab", "lab/runner", "lab/world/conformance", "dbserver/transfer/remotetest"}, "production code does not know that it is tested"},
	{"github.com/vbauerster/mpb/v8", nil, []string{"cmd/stasis/progress"}, "a terminal has one writer"},
	{"gopkg.in/ini.v1", nil, []string{"cmd/stasis/flags"}, "one format of configuration files has one reader"},
	{"log", nil, nil, "one logger, passed in"},
	{"log/slog", nil, []string{"dbserver/transfer/rclone"}, "one logger, passed in"},
}

// impure is what fsm must not import: replicas that see different clocks, disks
// or networks would differ. fsm imports nothing from outside besides.
var impure = []string{"context", "crypto/rand", "io/fs", "math/rand", "net", "os", "path/filepath", "runtime", "syscall", "time", "unsafe"}

// within reports whether a path matches one of the patterns.
func within(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "..." {
			return true
		}
		base, below := strings.CutSuffix(p, "/...")
		return path == base || below && strings.HasPrefix(path, base+"/")
	})
}

// source is one Go file.
type source struct {
	path string // below the module's root
	test bool
	file *ast.File
}

func (s source) room() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) imports() []string {
	var all []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			path = spec.Path.Value // the compiler will say it
		}
		all = append(all, path)
	}
	return all
}

// parseTree reads every Go file of the module.
func parseTree(t *testing.T) []source {
	t.Helper()
	root := ".."
	require.FileExists(t, filepath.Join(root, "go.mod"))
	var all []source
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name := e.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || path == filepath.Join(root, "bench") || path == filepath.Join(root, "example")) { // modules of their own
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		all = append(all, source{path: below, test: strings.HasSuffix(path, "_test.go"), file: file})
		return err
	}))
	return all
}

const module = "stasis"

// breaches checks one file against the tables.
func breaches(s source) []string {
	i := slices.IndexFunc(rooms, func(r room) bool { return r.path == s.room() })
	if i < 0 {
		return []string{s.path + ": package " + s.room() + " is not in the import table: enter it, with its reason"}
	}
	var found []string
	for _, path := range s.imports() {
		ours, isOurs := strings.CutPrefix(path, module+"/")
		switch {
		case isOurs && within(ours, []string{"integration/..."}):
			found = append(found, s.path+" imports "+path+": no package imports integration")
		case s.test: // what tests import is not part of the program
		case isOurs && !strings.HasPrefix(ours, "internal/") && ours != "event" && !within(ours, rooms[i].imports):
			found = append(found, s.path+" imports "+path+": "+rooms[i].because)
		case isOurs && rooms[i].path == "fsm" && ours != "internal/failpoint": // constants in the program
			found = append(found, s.path+" imports "+path+": "+rooms[i].because)
		case !isOurs:
			found = append(found, throughDoors(s, path)...)
		}
	}
	if !s.test && !within(s.room(), []string{"cmd/...", "internal/bubbles", "internal/failpoint/...", "internal/figures", "internal/rules", "lab", "lab/runner"}) { // these are not in the program, or start it again
		found = append(found, uses(s, "os", []string{"Args", "Getenv", "LookupEnv", "Environ", "Exit"}, "arguments, environment and exit codes belong to cmd")...)
	}
	if s.room() != "internal/bubbles" {
		found = append(found, uses(s, "synctest", []string{"Test"}, "bubbles are started by internal/bubbles, which says why")...)
		found = append(found, uses(s, "rapid", []string{"SyncTest"}, "bubbles are started by internal/bubbles, which says why")...)
	}
	return found
}

// throughDoors checks an import from outside.
func throughDoors(s source, path string) []string {
	if s.room() == "fsm" {
		for _, p := range impure {
			if path == p || strings.HasPrefix(path, p+"/") || strings.Contains(path, ".") {
				return []string{s.path + " imports " + path + ": fsm is pure"}
			}
		}
	}
	for _, d := range doors {
		reaches := path == d.library || strings.Contains(d.library, ".") && strings.HasPrefix(path, d.library+"/")
		if reaches && !within(s.room(), d.rooms) && !slices.ContainsFunc(d.except, func(e string) bool { return path == e || strings.HasPrefix(path, e+"/") }) {
			return []string{s.path + " imports " + path + ": " + d.because}
		}
	}
	return nil
}

// uses finds where names of a package are used that only some rooms may use.
func uses(s source, library string, names []string, because string) []string {
	var found []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if ok && pkg.Name == library && slices.Contains(names, sel.Sel.Name) {
			found = append(found, s.path+" uses "+library+"."+sel.Sel.Name+": "+because)
		}
		return true
	})
	return found
}

// Imports follow the table, every package is in it, and it has no row without
// a package.
func TestImportTable(t *testing.T) {
	var found []string
	present := map[string]bool{}
	for _, s := range parseTree(t) {
		present[s.room()] = true
		found = append(found, breaches(s)...)
	}
	for _, r := range rooms {
		if !present[r.path] {
			found = append(found, "the import table has a row for "+r.path+", which does not exist")
		}
		for _, word := range []string{"util", "utils", "common", "helpers", "misc"} {
			if slices.Contains(strings.Split(r.path, "/"), word) {
				found = append(found, r.path+": a name that says nothing about what belongs there")
			}
		}
	}
	require.Empty(t, found, strings.Join(found, "\n"))
}

// The check sees what it is for.
func TestImportTableIsEnforced(t *testing.T) {
	for _, c := range []struct{ path, imports, want string }{
		{"fsm/x.go", "stasis/event", "it is pure"},
		{"fsm/x.go", "stasis/internal/failpoint", ""},
		{"fsm/x.go", "time", "fsm is pure"},
		{"fsm/x.go", "github.com/google/uuid", "fsm is pure"},
		{"fsm/x.go", "encoding/json", ""},
		{"internal/network/x.go", "stasis/agency/keys", "know none"},
		{"agency/x.go", "stasis/coordinator", "knows nothing of those"},
		{"agency/client/x.go", "stasis/agency", "not the server"},
		{"dbserver/x.go", "stasis/agency", "over the wire only"},
		{"dbserver/x_test.go", "stasis/agency", ""},
		{"dbserver/engine/x.go", "stasis/internal/apierror", ""},
		{"dbserver/shard/x.go", "github.com/cockroachdb/pebble/v2", "one door"},
		{"dbserver/shard/x.go", "github.com/cockroachdb/pebble/v2/vfs", ""},
		{"coordinator/x.go", "stasis/dbserver/engine", "over the wire only"},
		{"coordinator/x.go", "github.com/hashicorp/raft", "replication is the agency's"},
		{"agency/store/x.go", "github.com/hashicorp/raft-boltdb/v2", ""},
		{"agency/x.go", "github.com/hashicorp/raft-boltdb/v2", "one door"},
		{"cmd/stasis/x_test.go", "stasis/integration", "no package imports integration"},
		{"minicluster/x.go", "github.com/stretchr/testify/require", "asserts nothing"},
		{"coordinator/newroom/x.go", "fmt", "not in the import table"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), c.path, "package x\nimport _ \""+c.imports+"\"\n", parser.SkipObjectResolution)
		require.NoError(t, err)
		got := strings.Join(breaches(source{path: filepath.FromSlash(c.path), test: strings.HasSuffix(c.path, "_test.go"), file: file}), "\n")
		if c.want == "" {
			require.Empty(t, got, "%s imports %s", c.path, c.imports)
			continue
		}
		require.Contains(t, got, c.want, "%s imports %s", c.path, c.imports)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport \"os\"\nvar _ = os.Getenv(\"HOME\")\n", parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Contains(t, strings.Join(breaches(source{path: "dbserver/x.go", file: file}), ""), "belong to cmd")
	require.Empty(t, breaches(source{path: "cmd/stasis/x.go", file: file}))
	file, err = parser.ParseFile(token.NewFileSet(), "x_test.go", "package x\nimport \"testing/synctest\"\nvar _ = synctest.Test\n", parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Contains(t, strings.Join(breaches(source{path: "dbserver/x_test.go", test: true, file: file}), ""), "started by internal/bubbles")
}
