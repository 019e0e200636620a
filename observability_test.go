package roomcast_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const observability, metricsDoc = "deploy/observability/", "docs/metrics.md"

// promtool runs Debian's promtool.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("promtool", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestPrometheusTakesItsConfigAndTheAlertRules(t *testing.T) {
	promtool(t, "check", "config", "--syntax-only", observability+"prometheus.yml")
	promtool(t, "check", "rules", "--lint-fatal", observability+"alerts.yml")
}

func TestEachAlertFiresInItsTroubleAndInNoOther(t *testing.T) {
	promtool(t, "test", "rules", observability+"alerts_test.yml")
	tested := text(t, observability+"alerts_test.yml")
	for _, rule := range alerts(t) {
		assert.Contains(t, tested, `alertname="`+rule.Alert+`"`)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.Contains(t, text(t, metricsDoc), "| `"+rule.Alert+"` |", "it says what to do")
	}
}

// rule is an alert.
type rule struct {
	Alert       string
	Expr        string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	require.NoError(t, yaml.Unmarshal([]byte(text(t, observability+"alerts.yml")), &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// expressions are those of the dashboard's panels.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title      string
			Datasource struct{ UID string }
			Targets    []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, observability+"dashboard.json")), &board))
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
			assert.Contains(t, text(t, observability+"grafana/datasources/roomcast.yml"), "uid: "+p.Datasource.UID+" ", p.Title)
		}
	}
	require.NotEmpty(t, all)
	return all
}

var (
	metricName = regexp.MustCompile(`roomcast_[a-z_]+`)
	// partOfHistogram is what a histogram's name is followed by in its series.
	partOfHistogram = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// What the table lists is what API and worker export: internal/e2e compares it
// with both.
func TestDashboardAndAlertsUseMetricsThatExistAndTheDashboardHasAll(t *testing.T) {
	table := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(roomcast_[a-z_]+)` \\|").FindAllStringSubmatch(text(t, metricsDoc), -1) {
		table[m[1]] = true
	}
	require.NotEmpty(t, table)
	shown := map[string]bool{}
	use := func(where, expr string) {
		for _, name := range metricName.FindAllString(expr, -1) {
			name = partOfHistogram.ReplaceAllString(name, "")
			assert.True(t, table[name], "%s: %s is in no table", where, name)
			shown[name] = shown[name] || where == "dashboard"
		}
	}
	for _, r := range alerts(t) {
		use(r.Alert, r.Expr)
	}
	for _, expr := range expressions(t) {
		use("dashboard", expr)
	}
	for name := range table {
		assert.True(t, shown[name], "the dashboard has no %s", name)
	}
}

// promtool checks the dashboard's expressions as rules; Grafana's own variable
// stands for a time.
func TestTheDashboardsExpressionsAreSound(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expr := range expressions(t) {
		line, err := json.Marshal(strings.ReplaceAll(expr, "$__rate_interval", "1m"))
		require.NoError(t, err)
		rules.WriteString("  - {record: 'x:" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "', expr: " + string(line) + "}\n")
	}
	path := t.TempDir() + "/rules.yml"
	require.NoError(t, os.WriteFile(path, []byte(rules.String()), 0o600))
	promtool(t, "check", "rules", path)
}
