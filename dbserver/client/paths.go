package client

// Paths. {shard} stands for a shard's name.
const (
	PathPrefix   = "/_stasis/v1"
	PathSession  = PathPrefix + "/session"                  // {} → SessionResponse
	PathDocs     = PathPrefix + "/shards/{shard}/documents" // DocumentsRequest → DocumentsResponse; with WriteHeader if an Op writes
	PathScan     = PathPrefix + "/shards/{shard}/scan"      // ScanRequest → ScanResponse
	PathCount    = PathPrefix + "/shards/{shard}/count"     // CountRequest → CountResponse
	PathTruncate = PathPrefix + "/shards/{shard}/truncate"  // TruncateRequest → {}; with WriteHeader
	PathChecksum = PathPrefix + "/shards/{shard}/checksum"  // ChecksumRequest → ChecksumResponse

	PathGateLock    = PathPrefix + "/gate/lock"      // GateLockRequest, beats → GateEvents, see GateLock; 18 when the window ended
	PathGateRelease = PathPrefix + "/gate/release"   // GateReleaseRequest → GateReleaseResponse
	PathPrepare     = PathPrefix + "/backup/prepare" // PieceRequest → {}
	PathCut         = PathPrefix + "/backup/cut"     // CutRequest → CutResponse
	PathLink        = PathPrefix + "/backup/link"    // LinkRequest → Piece
	PathSeal        = PathPrefix + "/backup/seal"    // SealRequest → {}
	PathPublish     = PathPrefix + "/backup/publish" // PieceRequest → {}; 7011 unless its backup is committed
	PathDrop        = PathPrefix + "/backup/drop"    // PieceRequest → {}; removes a pending piece, no error if there is none
	PathList        = PathPrefix + "/backup/list"    // ListRequest → ListResponse
	PathDelete      = PathPrefix + "/backup/delete"  // PieceRequest (nonce unused) → {}; 14 if unknown; 7011 unless the agency says that it goes
	PathVerify      = PathPrefix + "/backup/verify"  // PieceRequest (nonce unused) → VerifyResponse
	PathStage       = PathPrefix + "/restore/stage"  // StageRequest → {}; 7011 unless its nonce holds the agency lock
	PathUnstage     = PathPrefix + "/restore/drop"   // UnstageRequest → {}; 7011 if its restore is committed

	EpochHeader = "X-Stasis-Epoch"
	// WriteHeader names a write: its session, its number in it, and the lowest number whose write has not
	// ended. A DB server does each number of a session once, however often it arrives.
	WriteHeader = "X-Stasis-Write"
	// PatienceHeader says of a write for how many milliseconds it may wait at the gate, from its arrival.
	PatienceHeader = "X-Stasis-Patience"
)
