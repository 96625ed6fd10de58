//go:build unix

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

func judgeLocal(t *testing.T, w *world.World, list []verify.LocalFile, named bool) []report.Result {
	t.Helper()
	var v release.Version
	if named {
		v, _ = release.ParseVersion(version)
	}
	rep, err := verifier(t, w).LocalFiles(t.Context(), list, v)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(rep.Results, func(r report.Result) bool { return r.Kind != "file" })
}

// TestFilesUnderOtherNames: genuine bytes of a release under the name or path of
// another of its files are refuted; under any other name they are that file's,
// which the result names.
func TestFilesUnderOtherNames(t *testing.T) {
	const kubectl, kubelet, arm = "bin/linux/amd64/kubectl", "bin/linux/amd64/kubelet", "bin/linux/arm64/kubectl"
	const client, server = "kubernetes-client-linux-amd64.tar.gz", "kubernetes-server-linux-amd64.tar.gz"
	w := world.New(world.Options{})
	for _, c := range []struct {
		name, bytes, at string
		want            report.Verdict
		says            string
	}{
		{"the right place", kubectl, "/dl/release/v1.27.2/" + kubectl, report.Verified, ""},
		{"the right name", kubectl, "/usr/local/bin/kubectl", report.Verified, "bytes are those of " + kubectl},
		{"the right name, another architecture", arm, "/usr/local/bin/kubectl", report.Verified, "bytes are those of " + arm},
		{"a name of one's own", kubelet, "/usr/local/bin/k8s-tool", report.Verified, "bytes are those of " + kubelet},
		{"a name with a version", kubectl, "/opt/kubectl-v1.27.2", report.Verified, "bytes are those of " + kubectl},
		{"the right tarball", client, "/tmp/" + client, report.Verified, ""},
		{"kubelet as kubectl", kubelet, "/usr/local/bin/kubectl", refuted, "its name is that of"},
		{"kubelet as KubeCtl", kubelet, "/usr/local/bin/KubeCtl", refuted, "its bytes are those of " + kubelet},
		{"arm64 below amd64", arm, "/dl/release/v1.27.2/" + kubectl, refuted, "its bytes are those of " + arm},
		{"arm64 below amd64 alone", arm, "/srv/amd64/kubectl", refuted, ""},
		{"windows as linux", "bin/windows/amd64/kubectl.exe", "/usr/local/bin/kubectl", refuted, ""},
		{"server as client", server, "/tmp/" + client, refuted, "its bytes are those of " + server},
		{"a program as a tarball", kubectl, "/tmp/" + client, refuted, ""},
		{"a tarball as a program", client, "/usr/bin/kubectl", refuted, ""},
		{"an image's archive as another's", "bin/linux/amd64/kube-proxy.tar", "/tmp/kube-apiserver.tar", refuted, ""},
	} {
		for _, named := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, named %v", c.name, named), func(t *testing.T) {
				root, dir := openDir(t)
				body := w.File(world.FileURL(version, c.bytes))
				if body == nil {
					t.Fatalf("the world has no %s", c.bytes)
				}
				if err := os.WriteFile(filepath.Join(dir, "x"), body, 0o600); err != nil {
					t.Fatal(err)
				}
				res := judgeLocal(t, w, []verify.LocalFile{{Root: root, Name: "x", Shown: "./x", Paths: []string{c.at, dir + "/x"}}}, named)[0]
				if !named && res.Verdict() == report.Unknown && len(res.Checks) == 1 && res.Checks[0].Reason == report.NoClaim {
					t.Skip("made-up bytes say nothing of their version")
				}
				text := fmt.Sprint(res.Checks, res.Notes)
				if res.Verdict() != c.want || !strings.Contains(text, c.says) || c.says == "" && len(res.Notes) > 0 {
					t.Errorf("%s: %s", res.Verdict(), text)
				}
			})
		}
	}
}

// TestLinkedFilesAreJudgedByBothNames: the name of the link counts, and that of
// what it leads to.
func TestLinkedFilesAreJudgedByBothNames(t *testing.T) {
	w := world.New(world.Options{})
	root, dir := openDir(t)
	if err := os.WriteFile(filepath.Join(dir, "tool"), w.File(world.FileURL(version, "bin/linux/amd64/kubelet")), 0o600); err != nil {
		t.Fatal(err)
	}
	for paths, want := range map[string]report.Verdict{
		"/bin/kubectl /opt/tool": refuted, "/bin/tool /opt/kubectl": refuted, "/bin/kubelet /opt/tool": report.Verified, "/bin/tool /opt/kubelet": report.Verified,
	} {
		if res := judgeLocal(t, w, []verify.LocalFile{{Root: root, Name: "tool", Shown: "tool", Paths: strings.Fields(paths)}}, true)[0]; res.Verdict() != want {
			t.Errorf("%s: %s %+v", paths, res.Verdict(), res.Checks)
		}
	}
}

// TestNothingInADirectoryIsPassedOver: what is not a regular file, is hidden, leads
// elsewhere or cannot be read is a result of its own, and none of it is verified.
func TestNothingInADirectoryIsPassedOver(t *testing.T) {
	w := world.New(world.Options{})
	root, dir := openDir(t)
	body := func(path string) []byte { return w.File(world.FileURL(version, path)) }
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), []byte("evil"), 0o600))
	for _, d := range []string{"bin", "sub/deep", ".git", "empty"} {
		check(os.MkdirAll(at(d), 0o700))
	}
	for name, text := range map[string][]byte{
		"kubectl": body("bin/linux/amd64/kubectl"), "kubectl.sha256": []byte("x"), "sub/deep/kubelet": body("bin/linux/amd64/kubelet"),
		".hidden": []byte("evil"), ".kubeadm": body("bin/linux/amd64/kubeadm"), ".git/config": []byte("x"),
		".kubelet.kverify-part": []byte("evil"), ".kubelet.kverify-part.json": []byte("{}"),
	} {
		check(os.WriteFile(at(name), text, 0o600))
	}
	check(syscall.Mkfifo(at("pipe"), 0o600))
	for name, target := range map[string]string{
		"bin/kubectl": "../../outside", "bin/absolute": "/etc/passwd", "bin/nothing": "none", "bin/loop": "loop", "bin/folder": "../sub",
		"bin/up": "..", "kubelet": "sub/deep/kubelet", "kubeadm": "kubectl", "bin/pipe": "../pipe",
	} {
		check(os.Symlink(target, at(name)))
	}
	list, err := verify.LocalPaths(root, ".", 100)
	check(err)
	want := map[string]report.Verdict{
		"kubectl": report.Verified, "sub/deep/kubelet": report.Verified, "kubelet": report.Verified, ".kubeadm": report.Verified,
		"kubeadm": refuted, // a link to kubectl
		".hidden": unknown, ".git": unknown, ".kubelet.kverify-part": unknown, "pipe": unknown, "bin/pipe": unknown,
		"bin/kubectl": unknown, "bin/absolute": unknown, "bin/nothing": unknown, "bin/loop": unknown, "bin/folder": unknown, "bin/up": unknown,
	}
	for _, res := range judgeLocal(t, w, list, true) {
		verdict, ok := want[res.Subject]
		if delete(want, res.Subject); !ok || res.Verdict() != verdict {
			t.Errorf("%s: %s %+v", res.Subject, res.Verdict(), res.Checks)
		}
	}
	if len(want) > 0 {
		t.Errorf("passed over: %v", want)
	}
	if _, err := verify.LocalPaths(root, ".", 3); err == nil {
		t.Error("more than three were listed")
	}
}

// TestWhatIsNotFoundBesideAnOutage: that no file has some bytes, or some name, is
// not said of documents that could not be read.
func TestWhatIsNotFoundBesideAnOutage(t *testing.T) {
	w := world.New(world.Options{})
	w.NoSuchHost("https://cdn.dl.k8s.io/*")
	w.NoSuchHost("https://dl.k8s.io/*")
	root, dir := openDir(t)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), w.File(world.FileURL(version, "bin/linux/amd64/kubectl")), 0o600); err != nil {
		t.Fatal(err)
	}
	res := judgeLocal(t, w, []verify.LocalFile{{Root: root, Name: "kubectl", Shown: "kubectl"}}, true)[0]
	if text := fmt.Sprint(res.Checks); res.Verdict() != unknown || !strings.Contains(text, "not everything could be read") || !strings.Contains(text, "dl.k8s.io") {
		t.Errorf("%s: %s", res.Verdict(), text)
	}
	none := errors.New("there is none")
	files := filesOf(t, verifier(t, w), version)
	var unread *verify.UnreadError
	if err := files.Load(t.Context()).None(none); !errors.As(err, &unread) || !errors.Is(unread.Err, none) || len(unread.Unread) == 0 {
		t.Errorf("%v", err)
	}
	_, err := verifier(t, w).Images(t.Context(), verify.Request{Versions: []release.Version{files.Version}, Names: []string{"kube-nothing"}})
	if !errors.As(err, &unread) {
		t.Errorf("an image that nobody has heard of: %v", err)
	}
	w.Calm()
	if err := filesOf(t, verifier(t, w), version).Load(t.Context()).None(none); !errors.Is(err, none) || errors.As(err, &unread) {
		t.Errorf("everything was read: %v", err)
	}
	// That an old release has no provenance, or one has no SHA256SUMS, is an answer.
	w.Status("https://*/SHA256SUMS", 404)
	if err := filesOf(t, verifier(t, w), version).Load(t.Context()).None(none); errors.As(err, &unread) {
		t.Errorf("no SHA256SUMS: %v", err)
	}
	w.Status("https://*/kubernetes-release.spdx", 404)
	w.Status("https://sbom.k8s.io/*", 404)
	if err := filesOf(t, verifier(t, w), version).Load(t.Context()).None(none); !errors.As(err, &unread) {
		t.Errorf("no SBOM of a release that has one: %v", err)
	}
}

// TestKeptBundleOfAnotherFile: a bundle beside a file proves that file, or is
// written anew.
func TestKeptBundleOfAnotherFile(t *testing.T) {
	const path, other = "bin/linux/amd64/kubectl", "bin/linux/amd64/kubelet"
	w := world.New(world.Options{})
	root, dir := openDir(t)
	f := filesOf(t, verifier(t, w), version)
	for _, p := range []string{path, other} {
		if res := f.Download(t.Context(), root, target(p)); res.Verdict() != report.Verified {
			t.Fatalf("%s %+v", res.Verdict(), res.Checks)
		}
	}
	bundle := func(p string) string { return filepath.Join(dir, filepath.FromSlash(p)+verify.BundleSuffix) }
	read := func(name string) []byte {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	mine, foreign := read(bundle(path)), read(bundle(other))
	for name, planted := range map[string][]byte{"of another file": foreign, "no bundle": []byte("{}"), "changed": bytes.Replace(mine, []byte(`"signature":`), []byte(`"signature" :`), 1),
		"cut": mine[:len(mine)/2], "a signature changed": bytes.Replace(mine, []byte(`"messageSignature":`), []byte(`"messagesignature":`), 1)} {
		if err := os.WriteFile(bundle(path), planted, 0o600); err != nil {
			t.Fatal(err)
		}
		res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path))
		if res.Verdict() != report.Verified || !slices.Contains(res.Notes, "it was there already") {
			t.Fatalf("%s: %s %+v %q", name, res.Verdict(), res.Checks, res.Notes)
		}
		if after := read(bundle(path)); !bytes.Equal(after, mine) && name != "changed" {
			t.Errorf("%s: left as it was", name)
		}
	}
}

// TestPresentFileOfOthersIsReplaced: what is right and may be changed by others
// is not taken for what it is now.
func TestPresentFileOfOthersIsReplaced(t *testing.T) {
	const path = "kubernetes-client-linux-amd64.tar.gz"
	for name, change := range map[string]func(file string) error{
		"a second name": func(file string) error { return os.Link(file, file+".other") },
		"another owner": func(file string) error { return os.Chown(file, 12345, 12345) },
	} {
		w := world.New(world.Options{})
		root, dir := openDir(t)
		file := filepath.Join(dir, path)
		if err := os.WriteFile(file, w.File(world.FileURL(version, path)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := change(file); err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		before, _ := os.Stat(file)
		res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path))
		after, err := os.Stat(file)
		if err != nil || res.Verdict() != report.Verified || os.SameFile(before, after) || w.Count(world.FileURL(version, path)) != 1 {
			t.Errorf("%s: %s, %d requests: it is the same file", name, res.Verdict(), w.Count(world.FileURL(version, path)))
		}
	}
}

// TestTwoDownloadsAtOnce: of two runs that want the same file one waits for the
// other, and both find it verified.
func TestTwoDownloadsAtOnce(t *testing.T) {
	const path = "kubernetes-client-linux-amd64.tar.gz"
	w := world.New(world.Options{})
	w.Delay(world.FileURL(version, path), 300*time.Millisecond)
	root, _ := openDir(t)
	results := make(chan report.Result, 3)
	for range cap(results) {
		f := filesOf(t, verifier(t, w), version)
		go func() {
			to := target(path)
			to.WaitIfBusy = true
			results <- f.Download(t.Context(), root, to)
		}()
	}
	for range cap(results) {
		if res := <-results; res.Verdict() != report.Verified {
			t.Errorf("%s: %+v", res.Verdict(), res.Checks)
		}
	}
	if _, err := fetch.OpenRegular(root, path); err != nil {
		t.Error(err)
	}
}
