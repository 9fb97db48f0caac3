package network

import (
	"net/http/httptest"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"stasis/internal/budget"
)

// Prometheus reads what is told, and it is what Status tells.
func TestMetrics(t *testing.T) {
	b := budget.New(100 << 20)
	l := Limits{Budget: b}.WithDefaults()
	a := b.Open(budget.Client)
	require.NoError(t, a.Take(1000))
	require.Error(t, b.Open(budget.Client).Take(1<<30))
	w := httptest.NewRecorder()
	l.ServeMetrics(w, Metric{Name: "stasis_other", Kind: "gauge", Help: "Another.", Value: 7})
	format := expfmt.ResponseFormat(w.Result().Header)
	require.Equal(t, expfmt.TypeTextPlain, format.FormatType())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	for name, kind := range map[string]string{
		"stasis_http_memory_limit_bytes": "GAUGE", "stasis_http_memory_held_bytes": "GAUGE", "stasis_http_memory_held_max_bytes": "GAUGE",
		"stasis_http_memory_refused_total": "COUNTER", "stasis_http_connections": "GAUGE", "stasis_http_connections_limit": "GAUGE",
		"stasis_http_connections_closed_total": "COUNTER", "stasis_other": "GAUGE",
	} {
		require.Contains(t, families, name)
		require.Equal(t, kind, families[name].GetType().String(), name)
		require.NotEmpty(t, families[name].GetHelp(), name)
	}
	require.Len(t, families, 8)
	held := map[string]float64{}
	for _, m := range families["stasis_http_memory_held_bytes"].GetMetric() {
		require.Equal(t, "pool", m.GetLabel()[0].GetName())
		held[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	require.Equal(t, map[string]float64{"small": 1000, "large": 0, "peers": 0}, held)
	require.InDelta(t, 7, families["stasis_other"].GetMetric()[0].GetGauge().GetValue(), 0)
}
