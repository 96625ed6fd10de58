package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoSocket builds the program as users do and watches its system calls: a
// run with a mirror alone opens no socket of any kind.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace here")
	}
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	program, trace := filepath.Join(dir, "kverify"), filepath.Join(dir, "trace")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, which has then compiled it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole, err := filepath.Abs(filepath.Join(sample, "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"images", "v1.27.2"},
		{"verify", "registry.k8s.io/pause:3.9", "registry.k8s.io/nothing:v0"},
		{"verify", whole},
	} {
		args = append([]string{"-f", "-o", trace, "-e", "trace=%network,openat", program}, args...)
		if args[len(args)-1] != whole {
			args = append(args, "--mirror", filepath.Join(sample, "mirror"))
		}
		args = append(args, "--trusted-root", filepath.Join(sample, "trusted_root.json"))
		cmd := exec.Command(strace, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || !strings.Contains(string(out), "subject") {
			if strings.Contains(string(out), "ptrace") {
				t.Skip("strace may not trace here")
			}
			t.Fatalf("%v\n%s", err, out)
		}
		calls, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(calls), "MANIFEST.json") {
			t.Fatalf("the trace does not even show the mirror being read:\n%s", calls)
		}
		network := regexp.MustCompile(`(?m)^.*\b(socket|socketpair|connect|bind|sendto|sendmsg|getsockopt|setsockopt)\(.*$|^.*"[^"]*(resolv\.conf|nsswitch\.conf|/etc/hosts|/\.docker|/\.sigstore/)[^"]*".*$`)
		if found := network.FindAllString(string(calls), 5); found != nil {
			t.Errorf("%v:\n%s", args, strings.Join(found, "\n"))
		}
	}
}
