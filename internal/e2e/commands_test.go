package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/media/mediatest"
)

// documents are those whose commands a reader may paste.
var documents = []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md"}

// A rule says what is done with the commands that match. The first match counts.
type rule struct {
	command string // a regular expression
	why     string // it is not run; for make, that the target is there is checked
	run     string // what is run instead; $0 is the command
	last    bool   // it ends what all others need
}

// For how long a command runs that a person ends with Ctrl-C. Without
// --foreground it would get the signal twice, and the second one kills.
const interrupted = "timeout --foreground --preserve-status -s INT -k 20 "

var rules = []rule{
	{command: `^make (build|test|check|console|chaos|bench|fleet|doctor|demo|compose-test|env-file|images)`, why: "it builds, or tests, everything; bin has what build makes, and the demo runs below"},
	{command: `^(docker|docker-compose|old=|export ROOMCAST_VERSION)`, why: "it takes a Docker engine: make compose-test runs compose"},
	{command: `^(sudo|echo "ROOMCAST_API_KEYS|journalctl|make build && sudo)`, why: "it installs into the system"},
	{command: `^eval "\$\(make -s env\)"`, why: "make test has done so"},
	{command: `^go (test|generate|build)`, why: "it tests or makes parts of the checkout"},
	{command: `^scripts/linked-packages`, why: "it asks dpkg about a worker that is linked for this machine"},
	{command: `^bin/roomcast webhooks resend ID$`, why: "no webhook is dead: webhooks have tests of their own"},

	{command: `^redis-server `, run: `$0 >/dev/null`},
	{command: `^bin/api & bin/worker &`, run: "$0\nuntil bin/roomcast doctor; do sleep 0.1; done"},
	{command: `^bin/roomcast stage room & bin/roomcast stage files run/videos &$`,
		run: `bin/roomcast stage room --listen 127.0.0.1:1935 --report localhost:8082 & bin/roomcast stage files run/videos --listen 127.0.0.1:8090 &
		until curl --silent --output /dev/null http://127.0.0.1:8090/ && curl --silent --output /dev/null http://localhost:8082/; do sleep 0.1; done`},
	{command: `^mkdir -p run/videos`, run: `$0 --seconds 20`},
	{command: `^id=\$\(curl `, run: `$0 && [ ${#id} = 36 ]`},
	{command: `^sleep 5$`, run: `$0`},
	{command: `^kill \$\(jobs -p\); wait$`, run: `$0`, last: true},
	{command: `^redis-cli -p 6379 shutdown nosave$`, run: `$0`, last: true},
	{command: `^curl -X DELETE`, run: `$0 --fail && { bin/roomcast watch $id; [ $? = 5 ]; }`},
	{command: `^curl -N `, run: `events=$(curl --fail -sS --max-time 10 ${0#curl}; [ $? = 28 ]) && grep -q "^event: snapshot" <<<"$events"`},
	{command: `^curl `, run: `$0 --fail`},
	{command: `bin/roomcast push `, run: interrupted + `5 env $0 && bin/roomcast push http://127.0.0.1:8090/clip.mp4 --app 1400000001 --room r --user detached --repeat=-1 --detach`},
	// What it prints is pasted, as it says.
	{command: `^bin/roomcast demo`, run: `$0 >demo.txt & demo=$!
		until grep -q " stop @last$" demo.txt; do sleep 0.1; done
		sed -n "/^export/,/ stop @last$/p" demo.txt | sed "s/^[^ ]* watch$/` + interrupted + `6 &/" >paste.sh
		pasted=$(. ./paste.sh) && grep "^room  *guest as guest" <<<"$pasted" && grep "guest/guest" <<<"$pasted"
		kill $demo && wait $demo && grep "everything that was started has ended" demo.txt`},
	{command: `^bin/roomcast watch$`, run: interrupted + `2 $0`},
	{command: `^bin/roomcast (watch|events) @last`, run: interrupted + `2 $0`},
	{command: `^bin/roomcast `, run: `$0`},
	{command: `^(bin/roomcast|scripts/env|bin/(api|worker) --help)$`, run: `$0 >/dev/null`},
	{command: `^(export ROOMCAST_[A-Z_]+=|openssl rand|printf %s KEY)`, run: `$0`},
}

// spans are commands within a sentence.
var spans = regexp.MustCompile("`((?:bin/(?:roomcast|api|worker)|curl|make|docker-compose|go|scripts/[a-z-]+|openssl|printf|journalctl|sudo) [^`]+|bin/roomcast)`")

// commandsOf are those of a document, in its order: of its shell blocks and its
// sentences. What goes on over lines is one.
func commandsOf(text string) []string {
	var all []string
	shell, other := false, false
	var open string // a command that goes on
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && (shell || other):
			shell, other = false, false
		case isFence:
			shell, other = fence == "sh", fence != "sh"
		case shell:
			if open = strings.TrimPrefix(open+"\n"+bare(line), "\n"); unfinished(open) {
				continue
			}
			if open != "" {
				all = append(all, strings.TrimSpace(open))
			}
			open = ""
		case !other:
			for _, m := range spans.FindAllStringSubmatch(line, -1) {
				all = append(all, strings.ReplaceAll(m[1], `\|`, "|"))
			}
		}
	}
	return all
}

// unfinished says whether a command goes on in the next line: in quotes, behind
// a backslash, or in a here-document.
func unfinished(command string) bool {
	if _, rest, here := strings.Cut(command, "<<ENV"); here {
		return !strings.HasSuffix(rest, "\nENV")
	}
	return strings.HasSuffix(command, `\`) || strings.Count(command, "'")%2 == 1
}

// bare is a line without what is said about it.
func bare(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return ""
	}
	return strings.TrimRight(regexp.MustCompile(`\s+#.*$`).ReplaceAllString(line, ""), " ")
}

func ruleFor(command string) (rule, bool) {
	for _, r := range rules {
		if regexp.MustCompile(r.command).MatchString(command) {
			return r, true
		}
	}
	return rule{}, false
}

func TestCommandsAreReadFromADocument(t *testing.T) {
	text := "Say `make test` or `redis: true`.\n```sh\nmake build  # it builds\n# it's a remark\ncurl x -d '{\n  \"a\": 1}'\nx \\\n  y\nsudo cat <<ENV\nA=1\nENV\n```\n```\nmake no\n```\n`printf %s KEY \\| sha256sum`"
	assert.Equal(t, []string{"make test", "make build", "curl x -d '{\n  \"a\": 1}'", "x \\\n  y", "sudo cat <<ENV\nA=1\nENV", "printf %s KEY | sha256sum"}, commandsOf(text))
}

// TestEveryCommandOfTheDocumentsRuns runs them in one shell, in their order, as a
// reader would who has put his own address, signature and id in.
func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	beside(t)
	var script, last strings.Builder
	known := map[string]bool{}
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, pattern := range documents {
		paths, err := filepath.Glob("../../" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, command := range commandsOf(string(text)) {
				r, ok := ruleFor(command)
				if !assert.True(t, ok, "%s: nobody knows how to run %s", path, command) {
					continue
				}
				known[r.command] = true
				if target, isMake := strings.CutPrefix(command, "make "); isMake && !strings.HasPrefix(target, "-") {
					assert.Regexp(t, `(?m)^`+strings.Fields(target)[0]+`:`, string(makefile), command)
				}
				if r.why != "" {
					continue
				}
				run := strings.ReplaceAll(strings.ReplaceAll(r.run, "${0#curl}", strings.TrimPrefix(command, "curl -N")), "$0", command)
				to := &script
				if r.last {
					to = &last
				}
				fmt.Fprintf(to, "echo %s\n{ %s\n} || { echo \"FAILED with $?\"; exit 1; }\n", quoted("+ "+command), run)
			}
		}
	}
	for _, r := range rules {
		assert.True(t, known[r.command], "no document has a command like %s", r.command)
	}
	if !t.Failed() {
		runScript(t, script.String()+last.String())
	}
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// runScript runs what a reader would paste, with ports of this test.
func runScript(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20})
	require.NoError(t, os.Symlink(bin, filepath.Join(dir, "bin")))
	require.NoError(t, os.Symlink(clip, filepath.Join(dir, "my.mp4")))
	scripts, err := filepath.Abs("../../scripts")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(scripts, filepath.Join(dir, "scripts")))
	redis, api := freeAddr(t), freeAddr(t)
	_, redisPort, _ := net.SplitHostPort(redis)
	script = strings.NewReplacer(
		"localhost:8080", api, "--port 6379", "--port "+redisPort, "-p 6379", "-p "+redisPort,
		"127.0.0.1:1935", freeAddr(t), "localhost:8082", freeAddr(t), "127.0.0.1:8090", freeAddr(t),
	).Replace(script)
	t.Cleanup(func() { shutdown(redis) })

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir,
		"ROOMCAST_REDIS_URL=redis://"+redis+"/0", "ROOMCAST_LISTEN="+api, "ROOMCAST_API=http://"+api, "ROOMCAST_WORKER_LISTEN=off")
	out, err := os.Create(filepath.Join(dir, "out")) // a file, for API and worker hold it longer than the script
	require.NoError(t, err)
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // API and worker
	text, readErr := os.ReadFile(out.Name())
	require.NoError(t, readErr)
	require.NoError(t, err, "%s", text)
	t.Logf("%s", text)
}

// shutdown ends a Redis that has made itself a daemon.
func shutdown(addr string) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("SHUTDOWN NOSAVE\r\n"))
	_, _ = conn.Read(make([]byte, 1)) // until it has
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	require.NoError(t, err)
	return freeport.Addr(port)
}
