package verify_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// editRow changes the CHANGELOG's row of a tarball.
func editRow(w *world.World, ver, name string, edit func(row string) string) {
	url := world.ChangelogURL(ver)
	text := string(w.File(url))
	link := fmt.Sprintf("[%s](https://dl.k8s.io/%s/%s)", name, ver, name)
	at := strings.Index(text, link)
	if at < 0 {
		panic("no row of " + name)
	}
	row, _, _ := strings.Cut(text[at:], "\n")
	w.PutFile(url, []byte(text[:at]+edit(row)+text[at+len(row):]))
}

// Rule 10: a file whose CHANGELOG row could not be read has not been compared
// with the CHANGELOG, and its result says so; a tarball that only that row would
// bind is Unknown. The other rows go on counting.
func TestOddChangelogRowIsNotCompared(t *testing.T) {
	const odd, other = "kubernetes-client-linux-amd64.tar.gz", "kubernetes-client-linux-arm64.tar.gz"
	cut := func(row string) string { return row[:len(row)-4] }
	for name, edit := range map[string]func(row string) string{
		"a hash too short":         cut,
		"a pattern":                func(string) string { return "kubernetes-client-linux*.tar.gz | ``" },
		"a private bucket":         func(row string) string { return strings.Replace(row, "dl.k8s.io", "example.com", 1) },
		"HTML":                     func(row string) string { return "<b>" + odd + "</b> | " + strings.SplitN(row, " | ", 2)[1] },
		"no row at all, but prose": func(string) string { return "see elsewhere" },
		"cells exchanged":          func(row string) string { a, b, _ := strings.Cut(row, " | "); return b + " | " + a },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ver := range []string{"v1.24.0", version} {
				w := world.New(world.Options{Versions: []string{ver}})
				editRow(w, ver, odd, edit)
				root, _ := openDir(t)
				f := filesOf(t, verifier(t, w), ver)
				res := f.Download(t.Context(), root, target(odd))
				if len(res.Notes) == 0 || !strings.Contains(res.Notes[0], "not compared with CHANGELOG-1.2") {
					t.Errorf("%s: notes %q", ver, res.Notes)
				}
				binding, _ := res.Check(report.Binding)
				switch ver {
				case version: // the signed SBOM binds it
					if res.Verdict() != report.Verified {
						t.Errorf("%s: %s %+v", ver, res.Verdict(), res.Checks)
					}
				default: // only that row would
					if res.Verdict() != unknown || binding.Reason != report.Malformed || !strings.Contains(binding.Detail, "its row in CHANGELOG-1.24.md could not be read") {
						t.Errorf("%s: %s %+v", ver, res.Verdict(), binding)
					}
				}
				if res := f.Download(t.Context(), root, target(other)); res.Verdict() != report.Verified || len(res.Notes) != 0 {
					t.Errorf("%s: another file: %s %q %+v", ver, res.Verdict(), res.Notes, res.Checks)
				}
				if l := f.Load(t.Context()); l.Verdict != unknown || !strings.Contains(strings.Join(l.Notes, "\n"), "left out") {
					t.Errorf("%s: the list does not say what it left out: %s %q", ver, l.Verdict, l.Notes)
				}
			}
		})
	}
}

// What is left out must not make less of a contradiction, nor of a list.
func TestOddChangelogRowWeakensNothing(t *testing.T) {
	const tarball, ver = "kubernetes-client-linux-amd64.tar.gz", "v1.24.0"
	swap := func(row string) string { // the last digit of its hash
		i := strings.LastIndexAny(row, "0123456789abcdef")
		return row[:i] + map[bool]string{true: "1", false: "0"}[row[i] == '0'] + row[i+1:]
	}
	for name, c := range map[string]struct {
		edit    func(row string) string
		verdict report.Verdict
	}{
		"two hashes of one file":                  {func(row string) string { return row + "\n" + swap(row) }, unknown},
		"a good row and one that cannot be read":  {func(row string) string { return row + "\n" + row[:len(row)-4] }, unknown},
		"the same, the good one last":             {func(row string) string { return row[:len(row)-4] + "\n" + row }, unknown},
		"another hash, and one that is no row":    {func(row string) string { return swap(row) + "\n" + row[:len(row)-4] }, refuted},
		"the same row twice":                      {func(row string) string { return row + "\n" + row }, report.Verified},
		"a good row and HTML that names the file": {func(row string) string { return row + "\n<i>" + tarball + "</i> | x" }, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(world.Options{Versions: []string{ver}})
			editRow(w, ver, tarball, c.edit)
			root, _ := openDir(t)
			if res := filesOf(t, verifier(t, w), ver).Download(t.Context(), root, target(tarball)); res.Verdict() != c.verdict {
				t.Errorf("%s: %+v", res.Verdict(), res.Checks)
			}
		})
	}
	t.Run("an image whose row cannot be read", func(t *testing.T) {
		w := world.New(world.Options{})
		addImage(w, "kube-new")
		url := world.ChangelogURL(version)
		w.PutFile(url, bytes.Replace(w.File(url), []byte("[registry.k8s.io/kube-new:"), []byte("[registry.example/kube-new:"), 1))
		rep, err := verifier(t, w).Images(t.Context(), request(t, version))
		if err != nil || rep.Verdict() != unknown || !strings.Contains(failures(rep), "is not an image of a release") {
			t.Errorf("%v %s\n%s", err, rep.Verdict(), failures(rep))
		}
	})
}

// A release of which no binaries were made has a section, and is not malformed.
func TestChangelogWithoutBinariesIsAbsent(t *testing.T) {
	const ver = "v1.24.0"
	w := world.New(world.Options{Versions: []string{ver}})
	w.PutFile(world.ChangelogURL(ver), []byte("# v1.24.0\n\n## Important note\n\nNo binaries have been produced.\n"))
	rep, err := verifier(t, w).Images(t.Context(), request(t, ver))
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range rep.Results {
		if c, ok := res.Check(report.Inventory); ok && (c.Verdict != unknown || c.Reason != report.Absent) {
			t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
		}
	}
}
