package scenario

// reader fills a scenario from YAML.
type reader struct {
	problems
	s          *Scenario
	operations []Operation
}

// labels are the labels of operations.
func labelsOf(operations []Operation) []string {
	var all []string
	for _, o := range operations {
		all = append(all, o.Label)
	}
	return all
}
