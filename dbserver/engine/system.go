package engine

import (
	"encoding/binary"
	"fmt"
)

// systemPrefix begins every system key. Callers' own keys begin with another byte.
const systemPrefix = 0x00

// Names that the engine keeps for itself among the system keys.
const (
	nameEpoch = "engine/epoch"
	nameNonce = "engine/restore-nonce"
)

// systemKey is the key of a system value. Names that begin
// with "engine/" are the engine's own.
func systemKey(name string) []byte { return append([]byte{systemPrefix}, name...) }

// SystemGet reads a system value.
func (e *Engine) SystemGet(name string) (value []byte, found bool, err error) {
	return e.Get(systemKey(name))
}

// SystemSet writes a system value, synced.
func (e *Engine) SystemSet(name string, value []byte) error {
	b := e.NewBatch()
	if err := b.Set(systemKey(name), value); err != nil {
		return err
	}
	return b.Commit(true)
}

// Epoch is the restore epoch whose data this engine holds; 0 before any restore.
func (e *Engine) Epoch() uint64 { return e.epoch.Load() }

// RestoreNonce is the nonce of the restore that made the engine, "" if none did.
func (e *Engine) RestoreNonce() (string, error) {
	v, _, err := e.SystemGet(nameNonce)
	return string(v), err
}

// SetEpoch stores epoch and nonce together, synced.
func (e *Engine) SetEpoch(epoch uint64, nonce string) error {
	b := e.NewBatch()
	if err := b.Set(systemKey(nameEpoch), binary.BigEndian.AppendUint64(nil, epoch)); err != nil {
		return err
	}
	if err := b.Set(systemKey(nameNonce), []byte(nonce)); err != nil {
		return err
	}
	if err := b.Commit(true); err != nil {
		return fmt.Errorf("store epoch %d: %w", epoch, err)
	}
	e.epoch.Store(epoch)
	return nil
}

func loadEpoch(e *Engine) error {
	v, found, err := e.SystemGet(nameEpoch)
	if err != nil || !found {
		return err
	}
	if len(v) != 8 {
		return fmt.Errorf("stored epoch has %d bytes instead of 8", len(v))
	}
	e.epoch.Store(binary.BigEndian.Uint64(v))
	return nil
}
