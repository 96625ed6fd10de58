package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// way is a way to verify all references of the release.
type way struct {
	name    string
	program string
	args    []string
}

// figures are of one run.
type figures struct {
	counts
	wall, cpu time.Duration // cpu: user and system, of the process and its children
	peak      int64         // bytes resident at most, of the largest process
}

// bench is what the measuring process holds.
type bench struct {
	*outside
	dir, kverify, cosign string
}

// only are the checks that cosign makes too, and one that it leaves out.
const only = "digest,signature,reference"

func (b *bench) cosignArgs() []string {
	return []string{
		"verify", "--offline", "--trusted-root", b.Root,
		"--certificate-identity", world.KrelTrust, "--certificate-oidc-issuer", world.Google,
	}
}

func (b *bench) kverifyArgs(more ...string) []string {
	return append([]string{"images", version, "-q", "--trusted-root", b.Root}, more...)
}

// ways are all that are compared, kverify first.
func (b *bench) ways() []way {
	verify := shellQuote(append([]string{b.cosign}, b.cosignArgs()...))
	list := strings.Join(b.References, " ")
	ways := []way{
		{name: "kverify", program: b.kverify, args: b.kverifyArgs("--checks", only, "--no-cache")},
		{name: "kverify, warm cache", program: b.kverify, args: b.kverifyArgs("--checks", only, "--cache", filepath.Join(b.dir, "cache"))},
	}
	if b.cosign == "" {
		return ways
	}
	return append(ways,
		way{name: "the documented loop, one cosign an image", program: "sh", args: []string{"-ec", "for i in " + list + "; do " + verify + " $i; done"}},
		way{name: "one cosign process, all references", program: b.cosign, args: append(b.cosignArgs(), b.References...)},
		way{name: "`xargs -P8 cosign`", program: "sh", args: []string{"-c", "echo " + list + " | tr ' ' '\\n' | xargs -P8 -n1 " + verify}},
	)
}

// full is the whole `kverify images`: bindings, SBOM and log look-ups too.
func (b *bench) full() way {
	return way{name: "`kverify images`, every check", program: b.kverify, args: b.kverifyArgs("--no-cache")}
}

func shellQuote(args []string) string {
	var quoted []string
	for _, a := range args {
		quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

// run measures one run, and fails unless every reference was accepted: cosign,
// the loop and xargs end with 0 only then, and so does kverify.
func (b *bench) run(ctx context.Context, w way, c condition) (f figures, err error) {
	if err := b.begin(ctx, c); err != nil {
		return f, err
	}
	home := filepath.Join(b.dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return f, err
	}
	log, err := os.Create(filepath.Join(b.dir, "client.log"))
	if err != nil {
		return f, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, w.program, w.args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "HTTPS_PROXY=" + b.Proxy, "SSL_CERT_FILE=" + b.CA}
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	err = cmd.Run()
	f.wall = time.Since(start)
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return f, fmt.Errorf("%s: %w\n%s", w.name, err, said[max(0, len(said)-4000):])
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, fmt.Errorf("no rusage of %s", w.name)
	}
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	f.peak = usage.Maxrss
	if runtime.GOOS != "darwin" {
		f.peak <<= 10 // KiB everywhere else
	}
	f.counts, err = b.counts(ctx)
	return f, err
}
