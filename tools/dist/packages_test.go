package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// native is the package for this machine.
func native(t *testing.T, suffix string) string {
	t.Helper()
	return matching(t, "_linux_amd64"+suffix)[0]
}

// as runs a package manager on a root of its own. Only root may; elsewhere the test skips.
func as(t *testing.T, command string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("no %s here", command)
	}
	if os.Geteuid() != 0 {
		t.Skipf("%s installs into another root only for root", command)
	}
	var said strings.Builder
	cmd := exec.Command(command, args...)
	cmd.Stderr = &said // Debian's rpm says there that it is Debian's
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", command, strings.Join(args, " "), err, text, &said)
	}
	return string(text)
}

// left are the files below a root that are not the package manager's own.
func left(t *testing.T, root, own string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(path, filepath.Join(root, own)) {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// holds checks what a package has put below a root.
func holds(t *testing.T, root string, files []string) {
	t.Helper()
	for _, name := range []string{"/usr/bin/kverify", "/usr/share/man/man1/kverify.1", "/usr/share/bash-completion/completions/kverify", "/usr/share/zsh/site-functions/_kverify", "/usr/share/fish/vendor_completions.d/kverify.fish", "/usr/share/doc/kverify/LICENSE"} {
		if info, err := os.Stat(root + name); err != nil || info.Size() == 0 {
			t.Errorf("%s is not installed: %v", name, err)
		}
	}
	for _, name := range files {
		if !strings.HasPrefix(name, "/usr/") {
			t.Errorf("%s is installed outside of /usr", name)
		}
	}
	text, err := exec.Command(root+"/usr/bin/kverify", "version").Output()
	if err != nil || !strings.HasPrefix(string(text), "kverify v") {
		t.Errorf("the installed program: %v %s", err, text)
	}
}

func TestDeb(t *testing.T) {
	deb, root := native(t, ".deb"), t.TempDir()
	admin := filepath.Join(root, "var/lib/dpkg")
	for _, dir := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(admin, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(admin, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := []string{"--root=" + root, "--force-script-chrootless", "--log=" + filepath.Join(t.TempDir(), "log")}
	as(t, "dpkg", append(dpkg, "--install", deb)...)
	if text := as(t, "dpkg", append(dpkg, "--status", "kverify")...); !strings.Contains(text, "Status: install ok installed") || !strings.Contains(text, "Architecture: amd64") {
		t.Errorf("dpkg says\n%s", text)
	}
	holds(t, root, left(t, root, "var/lib/dpkg"))
	as(t, "dpkg", append(dpkg, "--purge", "kverify")...)
	if files := left(t, root, "var/lib/dpkg"); len(files) > 0 {
		t.Errorf("the removed package leaves %v", files)
	}
}

func TestRPM(t *testing.T) {
	rpm, root := native(t, ".rpm"), t.TempDir()
	at := []string{"--root", root, "--dbpath", "/var/lib/rpm"}
	as(t, "rpm", append(at, "--initdb")...)
	as(t, "rpm", append(at, "--install", "--nosignature", rpm)...)
	if text := as(t, "rpm", append(at, "--query", "--queryformat", "%{NAME} %{ARCH} %{LICENSE} %{BUILDHOST}", "kverify")...); text != "kverify x86_64 Apache-2.0 localhost" {
		t.Errorf("rpm says %q", text)
	}
	if text := as(t, "rpm", append(at, "--verify", "kverify")...); text != "" {
		t.Errorf("rpm finds changed\n%s", text)
	}
	holds(t, root, left(t, root, "var/lib/rpm"))
	as(t, "rpm", append(at, "--erase", "kverify")...)
	if files := left(t, root, "var/lib/rpm"); len(files) > 0 {
		t.Errorf("the removed package leaves %v", files)
	}
}
