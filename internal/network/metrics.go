package network

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"stasis/internal/budget"
)

// Metric is a number in the text format of Prometheus.
type Metric struct {
	Name, Kind, Help string // Kind is "gauge" or "counter"
	Value            any
}

// ServeMetrics answers what Status has, in the text format of Prometheus, and other metrics after it.
func (l Limits) ServeMetrics(w http.ResponseWriter, others ...Metric) {
	var b strings.Builder
	byPool := func(name, kind, help string, value func(budget.Use) any) {
		head(&b, name, kind, help)
		for _, u := range l.Budget.Read() {
			fmt.Fprintf(&b, "%s{pool=%q} %v\n", name, u.Pool, value(u))
		}
	}
	byPool("stasis_http_memory_limit_bytes", "gauge", "Bytes that requests may hold, by pool.", func(u budget.Use) any { return u.Size })
	byPool("stasis_http_memory_held_bytes", "gauge", "Bytes that requests hold, by pool.", func(u budget.Use) any { return u.Held })
	byPool("stasis_http_memory_held_max_bytes", "gauge", "Most bytes that requests have held, by pool.", func(u budget.Use) any { return u.Most })
	byPool("stasis_http_memory_refused_total", "counter", "Requests refused for want of memory, by pool.", func(u budget.Use) any { return u.Refused })
	open, closed := l.conns.count()
	for _, m := range append([]Metric{
		{"stasis_http_connections", "gauge", "Open connections.", open},
		{"stasis_http_connections_limit", "gauge", "Connections that may be open at once.", l.Connections},
		{"stasis_http_connections_closed_total", "counter", "Connections closed to make room for others.", closed},
	}, others...) {
		head(&b, m.Name, m.Kind, m.Help)
		fmt.Fprintf(&b, "%s %v\n", m.Name, m.Value)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, b.String()) // fails if the client is gone
}

func head(b *strings.Builder, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}
