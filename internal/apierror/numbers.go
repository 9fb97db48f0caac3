package apierror

import (
	"fmt"
	"net/http"
)

// Num is an error number of the wire. A bare Num is an error too, so that
// errors.Is(err, apierror.DocumentNotFound) works on any *Error with that number.
type Num int

// Numbers in use. The values are ArangoDB's.
const (
	Internal             Num = 4
	NotImplemented       Num = 9
	BadParameter         Num = 10
	Forbidden            Num = 11
	FileNotFound         Num = 14
	LockTimeout          Num = 18
	Cancelled            Num = 21
	Locked               Num = 28
	Deadlock             Num = 29
	ShuttingDown         Num = 30
	ResourceLimit        Num = 32
	StartingUp           Num = 38
	BadRequest           Num = 400
	Unauthorized         Num = 401
	NotFound             Num = 404
	MethodNotAllowed     Num = 405
	RequestTimeout       Num = 408
	PreconditionFailed   Num = 412
	EntityTooLarge       Num = 413
	ServiceUnavailable   Num = 503
	CorruptedJSON        Num = 600
	SuperfluousSuffices  Num = 601
	ReadOnly             Num = 1004
	Conflict             Num = 1200
	DocumentNotFound     Num = 1202
	CollectionNotFound   Num = 1203
	DocumentHandleBad    Num = 1205
	DuplicateName        Num = 1207
	IllegalName          Num = 1208
	UniqueConstraint     Num = 1210
	DocumentTooLarge     Num = 1216
	CollectionTypeBad    Num = 1218
	DocumentKeyBad       Num = 1221
	KeyUnexpected        Num = 1222
	DocumentKeyMissing   Num = 1226
	DocumentTypeInvalid  Num = 1227
	DatabaseNotFound     Num = 1228
	DatabaseNameInvalid  Num = 1229
	UseSystemDatabase    Num = 1230
	EdgeAttributeMissing Num = 1233
	TooManyShards        Num = 1450
	CreateCollPlan       Num = 1454
	CreateCollCurrent    Num = 1456
	ClusterTimeout       Num = 1457
	DropCollection       Num = 1458
	CreateDatabase       Num = 1460
	DropDatabase         Num = 1463
	ShardGone            Num = 1464
	ConnectionLost       Num = 1465
	KeyNotAllowed        Num = 1466
	ContradictingAnswers Num = 1467
	ShardKeysMissing     Num = 1468
	ShardKeysChanged     Num = 1469
	Unsupported          Num = 1470
	OnlyOnCoordinator    Num = 1471
	BackendUnavailable   Num = 1478
	TooFewDBServers      Num = 1487
	NoLeader             Num = 1495
	NotLeader            Num = 1496
	AgencyFailed         Num = 1492
	QueryParse           Num = 1501
	CursorNotFound       Num = 1600
	UserNotFound         Num = 1703
	BackupCreate         Num = 7001
	BackupRestore        Num = 7002
	BackupTopology       Num = 7003
	NoSpace              Num = 7004
	BackupUpload         Num = 7005
	BackupDownload       Num = 7006
	NoSuchBackup         Num = 7007
	BadRemote            Num = 7008
	BackupLockFailed     Num = 7009
	BackupLockRetry      Num = 7010
	BackupConflict       Num = 7011
	BackupServersMissing Num = 7012

	TransactionNested     Num = 1651
	TransactionUndeclared Num = 1652 // a collection that it did not name at its begin
	TransactionDisallowed Num = 1653 // not in the state that the transaction is in
	TransactionAborted    Num = 1654
	TransactionNotFound   Num = 1655

	// WrongEpoch answers an internal request that carries another restore epoch
	// than the server's. It never reaches clients: coordinators answer 503.
	WrongEpoch Num = 7901
	// GateLost answers a cut or release whose nonce does not hold the gate.
	GateLost Num = 7902
	// CutMissed answers a cut that did not make its own short deadline.
	CutMissed Num = 7903
	// WrongAgency answers a request for another agency, or for another incarnation of
	// this one, than the agent's. Nothing was done.
	WrongAgency Num = 7904
	// SessionUnknown answers a write in a session that the DB server does not know. Nothing was
	// done. It never reaches clients: the coordinator opens another session and sends again.
	SessionUnknown Num = 7905
	// GateClosed answers a write that a backup holds up for longer than its client can wait.
	// Nothing was done.
	GateClosed Num = 7906
	// TxnGone answers a request for a part of a transaction that the DB server does not have any more.
	// Nothing was done, and nothing of the part is left. It never reaches clients: coordinators answer 1654.
	TxnGone Num = 7907
)

// Error makes a Num match itself with errors.Is.
func (n Num) Error() string { return fmt.Sprintf("error %d", int(n)) }

var statusOf = func() map[Num]int {
	m := map[Num]int{}
	for status, nums := range map[int][]Num{
		400: {10, 17, 600, 601, 1205, 1208, 1214, 1216, 1218, 1221, 1222, 1226, 1227, 1229, 1232, 1233, 1237, 1450, 1466, 1468, 1469, 1501, 1502, 1620, 1621, 1651, 1652, 1653, 1700},
		403: {11, 1004, 1230},
		404: {1202, 1203, 1212, 1228, 1238, 1600, 1655, 1703},
		406: {1489, 1490},
		409: {1200, 1207, 1210, 1601, 1702, 7902, 7903},
		410: {21, 1500, 1654, 7907},
		413: {413},
		421: {1491, 7901, 7904, 7905},
		501: {9, 31, 1470, 1471, 1477},
		503: {30, 38, 1465, 1478, 1495, 1496, 7906},
	} {
		for _, n := range nums {
			m[n] = status
		}
	}
	return m
}()

// Status is the HTTP status of the number, except where the wire format has its own (hot
// backup commands, agency).
func (n Num) Status() int {
	if n >= 400 && n <= 504 {
		return int(n)
	}
	if s, ok := statusOf[n]; ok {
		return s
	}
	return http.StatusInternalServerError
}
