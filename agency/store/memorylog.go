package store

import "github.com/hashicorp/raft"

// memoryLog keeps Raft's log and votes in memory, on a disk that may hang.
type memoryLog struct {
	store *raft.InmemStore
	frost *frost
}

func (l memoryLog) FirstIndex() (uint64, error) { return l.store.FirstIndex() } // known without the disk
func (l memoryLog) LastIndex() (uint64, error)  { return l.store.LastIndex() }

func (l memoryLog) GetLog(index uint64, log *raft.Log) error {
	l.frost.wait()
	return l.store.GetLog(index, log)
}

func (l memoryLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l memoryLog) StoreLogs(logs []*raft.Log) error {
	l.frost.wait()
	return l.store.StoreLogs(logs)
}

func (l memoryLog) DeleteRange(from, to uint64) error {
	l.frost.wait()
	return l.store.DeleteRange(from, to)
}

func (l memoryLog) Set(key, value []byte) error {
	l.frost.wait()
	return l.store.Set(key, value)
}

func (l memoryLog) Get(key []byte) ([]byte, error) {
	l.frost.wait()
	return l.store.Get(key)
}

func (l memoryLog) SetUint64(key []byte, value uint64) error {
	l.frost.wait()
	return l.store.SetUint64(key, value)
}

func (l memoryLog) GetUint64(key []byte) (uint64, error) {
	l.frost.wait()
	return l.store.GetUint64(key)
}
