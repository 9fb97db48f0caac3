// Package apierror carries errors over the wire: the error numbers of ArangoDB 3.12, the
// HTTP status of each, the JSON envelope, and sentinels that match with errors.Is on both
// sides of the network.
package apierror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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
		410: {21, 1500, 1654},
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

// Error is the envelope {"error":true,"code","errorNum","errorMessage"}.
// Cause is not sent.
type Error struct {
	Num     Num
	Code    int // HTTP status; 0 means Num.Status()
	Message string
	Extra   map[string]any // further attributes of the envelope
	Cause   error
}

// Outcome is the further attribute with which an error of an operation on backups says what
// became of its commit. Without it, nothing was changed. A request on several shards of which
// some have done it has OutcomeUnknown, too.
const (
	Outcome          = "outcome"
	OutcomeUnknown   = "unknown"   // it may be committed
	OutcomeCommitted = "committed" // it is committed, and completes by itself
)

// Report is the further attribute with which the error of a create has its lock report: what was
// tried, and how long writers waited for that.
const Report = "report"

// With returns err as an *Error that has a further attribute, which must not be changed any more.
// err itself stays as it is: it may be one that others share.
func With(err error, name string, value any) *Error {
	e := From(err)
	extra := maps.Clone(e.Extra)
	if extra == nil {
		extra = map[string]any{}
	}
	extra[name] = value
	return &Error{Num: e.Num, Code: e.Code, Message: e.Message, Extra: extra, Cause: err}
}

// Attribute decodes a further attribute, also if it came over the wire.
func (e *Error) Attribute(name string, into any) error {
	raw, err := json.Marshal(e.Extra[name])
	if err != nil {
		return fmt.Errorf("attribute %s: %w", name, err)
	}
	return json.Unmarshal(raw, into)
}

// New makes an error with the number's usual status.
func New(n Num, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if _, several := err.(interface{ Unwrap() []error }); several {
		cause = err
	}
	return &Error{Num: n, Message: err.Error(), Cause: cause}
}

// WithStatus sets the HTTP status, where it is not the number's usual one.
func (e *Error) WithStatus(code int) *Error { e.Code = code; return e }

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches a Num, or another *Error with the same number.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Num:
		return e.Num == t
	case *Error:
		return t != nil && e.Num == t.Num
	}
	return false
}

// Status is the HTTP status to answer with.
func (e *Error) Status() int {
	if e.Code != 0 {
		return e.Code
	}
	return e.Num.Status()
}

// MarshalJSON writes the envelope.
func (e *Error) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for k, v := range e.Extra {
		m[k] = v
	}
	m["error"], m["code"], m["errorNum"], m["errorMessage"] = true, e.Status(), int(e.Num), e.Message
	return json.Marshal(m)
}

// UnmarshalJSON reads the envelope, with its further attributes.
func (e *Error) UnmarshalJSON(data []byte) error {
	var w struct {
		Code    int    `json:"code"`
		Num     int    `json:"errorNum"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	var extra map[string]any
	if err := json.Unmarshal(data, &extra); err != nil {
		return err
	}
	for _, known := range []string{"error", "code", "errorNum", "errorMessage"} {
		delete(extra, known)
	}
	if len(extra) == 0 {
		extra = nil
	}
	*e = Error{Num: Num(w.Num), Code: w.Code, Message: w.Message, Extra: extra}
	return nil
}

// From returns err as an *Error. An error that is none gets the number Internal.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		if e.Error() != err.Error() { // keep what the wrappers said
			return &Error{Num: e.Num, Code: e.Code, Message: err.Error(), Extra: e.Extra, Cause: err}
		}
		return e
	}
	var n Num
	if errors.As(err, &n) {
		return &Error{Num: n, Message: err.Error(), Cause: err}
	}
	return &Error{Num: Internal, Message: err.Error(), Cause: err}
}

// Write answers a request with the error's envelope.
func Write(w http.ResponseWriter, err error) {
	e := From(err)
	body, merr := json.Marshal(e)
	if merr != nil {
		body = fmt.Appendf(nil, `{"error":true,"code":500,"errorNum":4,"errorMessage":%q}`, merr.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status())
	_, _ = w.Write(body) // the client is gone
}

// maxErrorBody bounds what is read of an error answer.
const maxErrorBody = 1 << 20

// FromResponse reads an answer's error: nil for a status below 400, otherwise an *Error,
// also when the body is no envelope. It reads the body only of an error.
func FromResponse(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return &Error{Num: ConnectionLost, Message: fmt.Sprintf("reading HTTP %d answer: %v", resp.StatusCode, err), Cause: err}
	}
	e := &Error{}
	if json.Unmarshal(body, e) != nil || e.Num == 0 {
		return &Error{Num: Num(resp.StatusCode), Code: resp.StatusCode, Message: fmt.Sprintf("HTTP %d: %s", resp.StatusCode, firstBytes(body, 200))}
	}
	e.Code = resp.StatusCode
	return e
}

func firstBytes(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}
