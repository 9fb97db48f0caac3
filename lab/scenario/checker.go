package scenario

// checker judges a scenario that was read.
type checker struct {
	*problems
	s          *Scenario
	operations []Operation
}
