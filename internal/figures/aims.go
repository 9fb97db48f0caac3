package main

// The aims, as CONTRIBUTING states them.
const (
	maxFunctionLines = 60
	maxFileLines     = 300
	maxParameters    = 5
	maxFields        = 20
	maxMethods       = 30
)
