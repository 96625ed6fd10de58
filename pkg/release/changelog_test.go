package release

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares v, as JSON, with a file under testdata.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got)+"\n" {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func version(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestChangelogEras(t *testing.T) {
	for _, c := range []struct{ file, version, algorithm string }{
		{"changelog-1.2.md", "v1.2.7", "sha256"},
		{"changelog-1.2.md", "v1.2.6", "sha1"},
		{"changelog-1.11.md", "v1.11.1", "sha256"},
		{"changelog-1.11.md", "v1.11.0", "sha256"},
		{"changelog-1.12.md", "v1.12.0-rc.1", "sha512"},
		{"changelog-1.12.md", "v1.12.0-beta.2", "sha512"},
		{"changelog-1.12.md", "v1.12.0-alpha.1", "sha512"},
		{"changelog-1.24.md", "v1.24.0", "sha512"},
		{"changelog-1.27.md", "v1.27.3", "sha512"},
		{"changelog-1.27.md", "v1.27.2", "sha512"},
		{"changelog-1.37.md", "v1.37.0-alpha.1", "sha512"},
	} {
		t.Run(c.version, func(t *testing.T) {
			data := testdata(t, c.file)
			v := version(t, c.version)
			got, err := ParseChangelog(data, v)
			if err != nil {
				t.Fatal(err)
			}
			if got.Algorithm != c.algorithm {
				t.Errorf("algorithm %s", got.Algorithm)
			}
			golden(t, "changelog-"+c.version+".golden.json", got)
			notes, err := ParseNotes(data, v)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "notes-"+c.version+".golden.json", notes)
		})
	}
}

func TestChangelogVersions(t *testing.T) {
	got, err := ChangelogVersions(testdata(t, "changelog-1.12.md"))
	if err != nil || len(got) != 3 || got[0].String() != "v1.12.0-rc.1" || got[2].String() != "v1.12.0-alpha.1" {
		t.Errorf("%v, %v", got, err)
	}
}

// Without the heading of the version itself, the one of its downloads opens the section.
func TestChangelogMissingHeading(t *testing.T) {
	data := strings.Replace(string(testdata(t, "changelog-1.27.md")), "\n# v1.27.2\n", "\n", 1)
	for _, s := range []string{"v1.27.3", "v1.27.2"} {
		got, err := ParseChangelog([]byte(data), version(t, s))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "changelog-"+s+".golden.json", got)
	}
}

func TestChangelogRefuses(t *testing.T) {
	good := string(testdata(t, "changelog-1.27.md"))
	v := version(t, "v1.27.2")
	at := strings.Index(good, "# v1.27.2\n\n\n## Downloads")
	head, section := good[:at], good[at:]
	replace := func(old, new string) string {
		if !strings.Contains(section, old) {
			t.Fatalf("no %q in the section", old)
		}
		return head + strings.Replace(section, old, new, 1)
	}
	var (
		ambiguous *AmbiguousError
		wrong     *WrongVersionError
		format    *FormatError
		absent    *NoSectionError
		none      *NoFilesError
	)
	for name, c := range map[string]struct {
		data   string
		target any
		say    string
	}{
		"two hashes for one file": {replace("[kubernetes-src.tar.gz](https://dl.k8s.io/v1.27.2/kubernetes-src.tar.gz)", "[kubernetes.tar.gz](https://dl.k8s.io/v1.27.2/kubernetes.tar.gz)"), &ambiguous, `"kubernetes.tar.gz" has two different entries`},
		"two sections":            {good + section, &ambiguous, "another section of the same version"},
		"a file of another version": {replace("https://dl.k8s.io/v1.27.2/kubernetes.tar.gz", "https://dl.k8s.io/v1.27.1/kubernetes.tar.gz"), &wrong,
			`names "v1.27.1", not v1.27.2`},
		"an image of another version": {replace("registry.k8s.io/kube-proxy:v1.27.2", "registry.k8s.io/kube-proxy:v1.27.1"), &wrong, "image kube-proxy names"},
		"another minor's":             {strings.ReplaceAll(good, "v1.27.", "v1.26."), &absent, "CHANGELOG-1.27.md knows nothing of v1.27.2; the newest that it tells of is v1.26."},
		"an empty file":               {"", &format, "no section for any version"},
		"a web page":                  {"<html><body><h1>v1.27.2</h1></body></html>", &format, "no section for any version"},
		"no downloads":                {head + "# v1.27.2\n\nnothing\n", &none, "lists no file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseChangelog([]byte(c.data), v)
			if err == nil {
				t.Fatal("accepted")
			}
			if !errors.As(err, c.target) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%T: %v", err, err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\r\n") {
				t.Errorf("control characters in %q", err)
			}
		})
	}
}

func TestChangelogLimit(t *testing.T) {
	var limit *LimitError
	if _, err := ParseChangelog(make([]byte, maxChangelog+1), Version{Major: 1}); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
}

// The largest CHANGELOGs have 1 MB: one section's downloads and a lot of notes.
func BenchmarkChangelog1MB(b *testing.B) {
	data := string(testdata(b, "changelog-1.27.md"))
	note := "- Fixed one thing in a way that takes a line or two to tell about. ([#502](https://github.com/kubernetes/kubernetes/pull/502), [@grace](https://github.com/grace)) [SIG Node]\n"
	text := []byte(data + strings.Repeat(note, (1<<20)/len(note)))
	v := version(b, "v1.27.2")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseChangelog(text, v); err != nil {
			b.Fatal(err)
		}
	}
}
