package fsm

// Replay is the tree after a change that was applied to root: what a watcher
// does with an entry of the log. If the entry cannot be applied the result is
// nil, and the watcher must read the whole tree again.
func Replay(root *Node, e Entry) *Node {
	if !valid(e.Query) || opens(e.Query) != '{' {
		return nil
	}
	operations, err := parseOperations(e.Query)
	if err != nil {
		return nil
	}
	root = root.orEmpty()
	for _, path := range e.Expired {
		root = root.remove(segments(path))
	}
	c := contents{root: root}
	for _, o := range operations {
		if c, err = o.apply(c); err != nil {
			return nil
		}
	}
	return c.root
}
