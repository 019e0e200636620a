package roomcast_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/roomcast/roomcast/internal/config"
)

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

const composeFile, demoFile, secretsFile = "docker-compose.yml", "deploy/compose.demo.yml", "deploy/compose.secrets.yml"

// service is what the tests look at of a compose file's.
type service struct {
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	PidsLimit   int               `yaml:"pids_limit"`
	MemLimit    string            `yaml:"mem_limit"`
	Ulimits     map[string]int    `yaml:"ulimits"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Build       struct {
		Context string `yaml:"context"`
		Target  string `yaml:"target"`
	} `yaml:"build"`
}

func services(t *testing.T, path string) map[string]service {
	t.Helper()
	var file struct {
		Services map[string]service `yaml:"services"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text(t, path)), &file))
	return file.Services
}

func TestComposePassesEverySettingOn(t *testing.T) {
	compose := text(t, composeFile)
	for _, s := range config.Describe() {
		assert.Contains(t, compose, " "+s.Name+": ", composeFile)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(ROOMCAST_\w+): \$\{(\w+)`).FindAllStringSubmatch(compose, -1) {
		assert.Equal(t, m[1], m[2])
	}
}

func TestComposeTellsTheWorkersNoAPIKey(t *testing.T) {
	for _, path := range []string{composeFile, demoFile, secretsFile} {
		for name := range services(t, path)["worker"].Environment {
			assert.NotContains(t, name, "API_KEY", path)
		}
	}
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	published := 0
	for _, path := range []string{composeFile, demoFile} {
		for name, s := range services(t, path) {
			for _, port := range s.Ports {
				published++
				assert.Contains(t, port, ":-127.0.0.1:", name)
			}
		}
	}
	assert.Equal(t, 4, published)
	assert.Contains(t, text(t, "scripts/env-file"), "\nROOMCAST_PUBLISH=127.0.0.1:8080\n")
}

func TestTheDemosFileServerIsAllowedWithTheDemoOnly(t *testing.T) {
	assert.NotContains(t, text(t, composeFile), "roomcast-demo-files")
	demo := services(t, demoFile)
	for _, name := range []string{"api", "worker"} {
		assert.Equal(t, map[string]string{"ROOMCAST_SOURCE_ALLOW": "roomcast-demo-files:8090,${ROOMCAST_SOURCE_ALLOW:-}"},
			demo[name].Environment, name)
	}
}

func TestEveryServiceIsContainedAndLimited(t *testing.T) {
	ours := services(t, composeFile)
	for name, s := range services(t, demoFile) {
		if _, there := ours[name]; !there {
			ours[name] = s
		}
	}
	assert.Len(t, ours, 8)
	for name, s := range ours {
		assert.True(t, s.ReadOnly, name)
		assert.Equal(t, []string{"ALL"}, s.CapDrop, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
		assert.Equal(t, map[string]int{"core": 0}, s.Ulimits, name)
		assert.Positive(t, s.PidsLimit, name)
	}
	worker := ours["worker"]
	assert.Equal(t, worker.MemLimit, worker.Environment["ROOMCAST_WORKER_MEMORY"], "the worker knows its limit")
}

// Each worker takes its part of the machine's cores.
func TestWorkersKnowHowManyShareTheMachine(t *testing.T) {
	assert.Contains(t, text(t, composeFile), "scale: "+services(t, composeFile)["worker"].Environment["ROOMCAST_WORKERS"]+" ")
	assert.Contains(t, text(t, "deploy/systemd/roomcast-worker@.service"), "\nEnvironment=ROOMCAST_WORKERS=2\nEnvironmentFile=/etc/roomcast/env\n")
	readme := text(t, "README.md")
	assert.Contains(t, readme, "enable --now roomcast-api roomcast-worker@8081 roomcast-worker@8082\n", "two, as the unit says")
}

// A secret that may come from a file is empty beside it: the two would
// contradict each other.
func TestASecretFromAFileIsInNoVariable(t *testing.T) {
	base := services(t, composeFile)
	for name, s := range services(t, secretsFile) {
		for variable, value := range s.Environment {
			secret, isFile := strings.CutSuffix(variable, "_FILE")
			assert.Contains(t, base[name].Environment, secret)
			assert.Equal(t, isFile, value != "", "%s of %s", variable, name)
			assert.Contains(t, s.Environment, secret+"_FILE")
		}
	}
}

// Two services that build one image fail each other where they are built side
// by side: the newer plugin does that.
func TestEachImageIsBuiltByOneService(t *testing.T) {
	built := map[string]bool{}
	for _, path := range []string{composeFile, demoFile} {
		for _, s := range services(t, path) {
			if s.Build.Target != "" {
				assert.False(t, built[s.Build.Target], "%s is built twice", s.Build.Target)
				assert.Equal(t, ".", s.Build.Context, "paths are those of the first file")
				built[s.Build.Target] = true
			}
		}
	}
	assert.Len(t, built, 3)
}

// The Go that builds the images is the one go.mod asks for.
func TestTheImagesAreBuiltWithOurGo(t *testing.T) {
	m := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(text(t, "go.mod"))
	require.Len(t, m, 2)
	assert.Contains(t, text(t, "deploy/Dockerfile"), "GO_IMAGE=golang:"+m[1]+"-")
}

func TestTheEnvFileIsWrittenOnceWithSettingsThatLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	write := func() string {
		out, err := exec.Command("scripts/env-file", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Contains(t, write(), "written")
	first := text(t, path)
	assert.Contains(t, write(), "stays as it is")
	assert.Equal(t, first, text(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	var environ []string
	for line := range strings.Lines(first) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, config.Prefix) {
			environ = append(environ, line)
		}
	}
	cfg, _, err := config.Load(environ)
	require.NoError(t, err)
	assert.Len(t, cfg.APIKeys, 1)
	assert.Len(t, cfg.SDKKeys, 1)
}

// Whether a program is where a unit says is left to who installs it: programs
// of the same names stand in for them.
func TestSystemdFindsNothingWrongWithTheUnits(t *testing.T) {
	dir := t.TempDir()
	units, err := filepath.Glob("deploy/systemd/*.service")
	require.NoError(t, err)
	require.NotEmpty(t, units)
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"api", "worker"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700))
	}
	for _, unit := range units {
		moved := strings.ReplaceAll(text(t, unit), "/usr/local/bin/", dir+"/")
		path := filepath.Join(dir, strings.Replace(filepath.Base(unit), "@.", "@8081.", 1))
		require.NoError(t, os.WriteFile(path, []byte(moved), 0o600))
		dropIn := filepath.Join(dir, filepath.Base(unit)+".d", "secrets.conf")
		require.NoError(t, os.Mkdir(filepath.Dir(dropIn), 0o700))
		require.NoError(t, os.WriteFile(dropIn, []byte(text(t, "deploy/systemd/secrets.conf")), 0o600))
		args = append(args, path)
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	assert.NoError(t, err)
	assert.Empty(t, string(out))
}

func TestSECURITYNamesTestsThatExist(t *testing.T) {
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			tests.WriteString(text(t, path))
		}
		return err
	}))
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(text(t, "SECURITY.md"), -1)
	assert.NotEmpty(t, named)
	for _, name := range named {
		assert.True(t, strings.Contains(tests.String(), "\nfunc "+name[1]+"("), "SECURITY.md names %s", name[1])
	}
}

// The database is one of ours with one entry, as govulncheck's own are: without its
// database_specific govulncheck panics, and may be at its end, with 0, before it has.
func TestAKnownVulnerabilityFailsTheCheckAndAnUnreachableDatabaseDoesNot(t *testing.T) {
	check := func(db string) (string, error) {
		cmd := exec.Command("make", "--silent", "vuln", "DEPS=true", "PACKAGES=./internal/nearest", "VULN_DB="+db)
		cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	serve := func(module string) string {
		files := map[string]string{
			"/index/db.json.gz":        `{"modified":"2026-01-01T00:00:00Z"}`,
			"/index/modules.json.gz":   `[{"path":"` + module + `","vulns":[{"id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z"}]}]`,
			"/ID/GO-2026-0001.json.gz": `{"schema_version":"1.3.1","id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z","summary":"made up","details":"made up","database_specific":{"url":"https://example.com/GO-2026-0001"},"affected":[{"package":{"name":"` + module + `","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"strings","symbols":["ToLower"]}]}}]}`,
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, files[r.URL.Path])
			_ = z.Close()
		}))
		t.Cleanup(server.Close)
		return server.URL
	}

	out, err := check("http://127.0.0.1:1")
	require.NoError(t, err)
	assert.Equal(t, "govulncheck: its database cannot be reached from here: not checked\n", out)

	out, err = check(serve("example.com/not-ours"))
	require.NoError(t, err, "%s", out)
	assert.Contains(t, out, "No vulnerabilities found")

	out, err = check(serve("stdlib"))
	require.Error(t, err, "%s", out)
	assert.Contains(t, out, "Vulnerability #1: GO-2026-0001")
	assert.Contains(t, out, "Your code is affected by 1 vulnerability from the Go standard library.")
}
