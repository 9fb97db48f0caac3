package workload

import (
	"math"
	"slices"
)

// zipf are the cumulated weights of n things, of which the i-th is chosen 1/(i^skew) times as often as the first.
func zipf(n int, skew float64) []float64 {
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		sum += math.Pow(float64(i+1), -skew)
		weights[i] = sum
	}
	return weights
}

// chosen is the thing at a point between 0 and 1.
func chosen(weights []float64, at float64) int {
	i, _ := slices.BinarySearch(weights, at*weights[len(weights)-1])
	return min(i, len(weights)-1)
}
