package host

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// withoutArgument makes this program a media host, with the arguments behind it, on a
// kernel without one part of the sandbox.
const withoutArgument = "without"

// without becomes this program again, which then has no system call of part.
func without(part string, arguments []string) error {
	calls := map[string][]string{
		"landlock": {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
		"seccomp":  {"seccomp"},
	}[part]
	err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Action: answerENOSYS, Names: calls}},
	}})
	if err != nil {
		return err
	}
	return unix.Exec(os.Args[0], append(os.Args[:1:1], arguments...), os.Environ())
}

func TestWhatTheKernelLacksIsSaidAndWithRequireNoHostStarts(t *testing.T) {
	for part, want := range map[string]Sandbox{"landlock": {Seccomp: true}, "seccomp": {Landlock: true}} {
		t.Run(part, func(t *testing.T) {
			command := []string{os.Args[0], withoutArgument, part, hostArgument}
			p := newPool(t, func(c *Config) { c.Command = append(slices.Clone(command), string(SandboxAuto)) })
			got := p.Sandbox()
			require.Equal(t, want.Landlock, got.Landlock)
			require.Equal(t, want.Seccomp, got.Seccomp)
			require.Regexp(t, "(?i)^lacks "+part+": ", got.String())
			require.Equal(t, []string{"packet"}, read(t, open(t, p, textOf("packet"), nil), -1), "it plays all the same")

			_, err := New(t.Context(), Config{Command: append(slices.Clone(command), string(SandboxRequire)), Log: slog.New(slog.DiscardHandler)})
			require.Error(t, err)
			require.Regexp(t, "(?i)^start a media host: its sandbox lacks "+part+": .+; ROOMCAST_SANDBOX is require$", err.Error())
		})
	}
}

func TestEveryProcessorHasTheCallsThatAreAllowed(t *testing.T) {
	for _, of := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		for _, name := range calls {
			require.Contains(t, of.SyscallNames, name, of.Name)
		}
		for _, l := range looked() {
			require.Contains(t, of.SyscallNames, l.Name, of.Name)
		}
	}
}

func TestASandboxThatIsOffSaysSo(t *testing.T) {
	p := newPool(t, func(c *Config) { c.Command = []string{os.Args[0], hostArgument, string(SandboxOff)} })
	require.Equal(t, "lacks everything: it is off", p.Sandbox().String())
}

// As in a container without capabilities and under systemd: where this test may, it
// becomes another user, too.
func TestTheSandboxNeedsNoPrivilege(t *testing.T) {
	drop := []string{"setpriv", "--no-new-privs"}
	if os.Getuid() == 0 {
		drop = append(drop, "--reuid=10001", "--regid=10001", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
	}
	p := newPool(t, func(c *Config) {
		c.Command = slices.Concat(drop, []string{forAll(t, os.Args[0]), hostArgument, string(SandboxRequire)})
	})
	require.Equal(t, "holds", p.Sandbox().String())
	score, err := os.ReadFile(procOf(p.PIDs()[0], "oom_score_adj"))
	require.NoError(t, err)
	require.Equal(t, "1000\n", string(score))
}

// forAll copies a program to where every user can start it.
func forAll(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "host")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // another user starts it
	from, err := os.Open(program)
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	to, err := os.OpenFile(filepath.Join(dir, "host"), os.O_CREATE|os.O_WRONLY, 0o755) //nolint:gosec // the same
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return to.Name()
}
