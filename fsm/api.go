package fsm

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
)

var errTodo = errors.New("not written yet")

// What ParseTransaction and Outcome.Reason can say.
var (
	ErrEnvelope      = errors.New("malformed envelope")
	ErrMalformed     = errors.New("malformed transaction")
	ErrForbidden     = errors.New("key below .agency")
	ErrPrecondition  = errors.New("precondition failed")
	ErrFrozen        = errors.New("Plan is frozen")
	ErrNotApplicable = errors.New("operation not applicable")
	ErrMissing       = errors.New("no such key")
	ErrCorrupt       = errors.New("corrupt")
)

type Node struct{}

func Parse(raw []byte) (*Node, error)              { return nil, errTodo }
func (n *Node) At(path string) *Node               { return nil }
func (n *Node) Exists() bool                       { return n != nil }
func (n *Node) Children() iter.Seq2[string, *Node] { return func(func(string, *Node) bool) {} }
func (n *Node) Len() int                           { return 0 }
func (n *Node) Decode(into any) error              { return errTodo }
func (n *Node) Text() string                       { return "" }
func (n *Node) Int() (int64, bool)                 { return 0, false }
func (n *Node) MarshalJSON() ([]byte, error)       { return nil, errTodo }
func Equal(a, b *Node) bool                        { return a == b }

type Transaction struct{}

func ParseTransaction(raw []byte) (Transaction, error) { return Transaction{}, errTodo }
func (t Transaction) ClientID() string                 { return "" }
func (t Transaction) Forbidden() bool                  { return false }

type Command struct {
	Time         int64
	Transactions []Transaction
}

func (c Command) Encode() []byte                 { return nil }
func DecodeCommand(data []byte) (Command, error) { return Command{}, errTodo }

type Machine struct{}

func New(keepLog int) *Machine                            { return &Machine{} }
func (m *Machine) Apply(term uint64, c Command) []Outcome { return nil }
func (m *Machine) State() *State                          { return nil }
func (m *Machine) Reset(s *State)                         {}

type Outcome struct {
	Index  uint64
	Failed []string
	Reason error
	State  *State
}

type State struct{}

func (s *State) Index() uint64                      { return 0 }
func (s *State) Term() uint64                       { return 0 }
func (s *State) Root() *Node                        { return nil }
func (s *State) FirstIndex() uint64                 { return 0 }
func (s *State) Read(paths []string) *Node          { return nil }
func (s *State) Inquire(clientID string) uint64     { return 0 }
func (s *State) Log(from uint64) ([]Entry, bool)    { return nil, false }
func (s *State) AsOf(now int64) *State              { return s }
func (s *State) Observers() map[string][]string     { return nil }
func (s *State) WriteTo(w io.Writer) (int64, error) { return 0, errTodo }
func ReadState(r io.Reader) (*State, error)         { return nil, errTodo }

type Entry struct {
	Index     uint64          `json:"index"`
	Term      uint64          `json:"term"`
	Query     json.RawMessage `json:"query"`
	ClientID  string          `json:"clientId,omitempty"`
	Timestamp int64           `json:"timestamp"`
	Expired   []string        `json:"expired,omitempty"`
}

func Replay(root *Node, e Entry) *Node { return root }
