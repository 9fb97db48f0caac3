package fsm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The first byte of an encoded command is its format. A change of what follows needs
// a new number, and the old ones must stay readable: logs hold them.
const (
	commandFormat = 1
	// limitedFormat has a limit before each transaction. It is written only for a command
	// that has one, so that agents of an earlier version can read all others.
	limitedFormat = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Command is what one entry of the replicated log carries: transactions that
// the leader gathered, and its clock then, which is the only time the machine
// ever sees.
type Command struct {
	Time         int64 // ms since 1970
	Transactions []Transaction
}

// Encode writes the command: the format, the time, how many transactions, each
// as its limit (if any has one), its length and its JSON text (nothing for a malformed
// one), and a checksum of all that.
func (c Command) Encode() []byte {
	size, format := 32, byte(commandFormat)
	for _, t := range c.Transactions {
		size += len(t.raw) + binary.MaxVarintLen32
		if t.limit > 0 {
			size, format = size+binary.MaxVarintLen64, limitedFormat
		}
	}
	data := append(make([]byte, 0, size), format)
	data = binary.AppendVarint(data, c.Time)
	data = binary.AppendUvarint(data, uint64(len(c.Transactions)))
	for _, t := range c.Transactions {
		if format == limitedFormat {
			data = binary.AppendUvarint(data, t.limit)
		}
		data = binary.AppendUvarint(data, uint64(len(t.raw)))
		data = append(data, t.raw...)
	}
	return binary.BigEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
}

// DecodeCommand reads what Encode wrote. The error is [ErrCorrupt]. An agent that finds it in a
// committed entry has to stop: other agents may have applied the entry.
func DecodeCommand(data []byte) (Command, error) {
	c, err := decodeCommand(data)
	if err != nil {
		return Command{}, fmt.Errorf("%w command: %w", ErrCorrupt, err)
	}
	return c, nil
}

// checkCommand says whether data is as Encode wrote it, without decoding it.
func checkCommand(data []byte) error {
	if len(data) == 0 {
		return errTorn
	}
	if data[0] != commandFormat && data[0] != limitedFormat {
		return fmt.Errorf("%w: %d", errFormat, data[0])
	}
	body := len(data) - crc32.Size
	if body < 1 {
		return errTorn
	}
	if crc32.Checksum(data[:body], castagnoli) != binary.BigEndian.Uint32(data[body:]) {
		return errChecksum
	}
	return nil
}

func decodeCommand(data []byte) (c Command, err error) {
	if err := checkCommand(data); err != nil {
		return c, err
	}
	body := len(data) - crc32.Size
	rest := bytes.Clone(data[1:body]) // the transactions keep it
	time, n := binary.Varint(rest)
	if n <= 0 {
		return c, errTorn
	}
	c.Time, rest = time, rest[n:]
	count, n := binary.Uvarint(rest)
	if n <= 0 {
		return c, errTorn
	}
	rest = rest[n:]
	c.Transactions = make([]Transaction, 0, min(count, uint64(len(rest))))
	for i := range count {
		var limit uint64
		if data[0] == limitedFormat {
			if limit, n = binary.Uvarint(rest); n <= 0 {
				return c, errTorn
			}
			rest = rest[n:]
		}
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return c, errTorn
		}
		var t Transaction
		if size > 0 {
			// Adopted only after this check: the checksum is of bytes, not of JSON.
			raw := rest[n : n+int(size) : n+int(size)]
			if !valid(raw) {
				return c, fmt.Errorf("transaction %d: %w", i, errSyntax)
			}
			if t, err = AdoptTransaction(raw); err != nil {
				return c, fmt.Errorf("transaction %d: %w", i, err)
			}
		}
		t.limit = limit
		c.Transactions = append(c.Transactions, t)
		rest = rest[n+int(size):]
	}
	if len(rest) > 0 {
		return c, errTrailing
	}
	return c, nil
}
