package release

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// One row out of form is left out and named, and no other row is lost with it.
func TestChangelogOddRowIsLeftOutAndNamed(t *testing.T) {
	good := string(testdata(t, "changelog-1.27.md"))
	v := version(t, "v1.27.2")
	whole, err := ParseChangelog([]byte(good), v)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(good, "# v1.27.2\n\n\n## Downloads")
	head, section := good[:at], good[at:]
	const row = "[kubernetes-src.tar.gz](https://dl.k8s.io/v1.27.2/kubernetes-src.tar.gz) | "
	_, rest, _ := strings.Cut(section, row)
	src := row + rest[:128]
	sum := src[len(row):]
	for name, c := range map[string]struct {
		is, say string
		named   bool // the row still tells which file it is about
	}{
		"a foreign link":            {strings.Replace(src, "https://dl.k8s.io/", "https://evil.example/", 1), "leads to", true},
		"a private bucket":          {strings.Replace(src, "https://dl.k8s.io/", "https://storage.googleapis.com/somebody/release/", 1), "leads to", true},
		"a link out of the release": {strings.Replace(src, "/v1.27.2/", "/v1.27.2/../v1.27.1/", 1), "leads to", true},
		"a name that climbs":        {strings.Replace(src, "[kubernetes-src", "[../../etc/passwd", 1), "file name", true},
		"a pattern":                 {strings.ReplaceAll(src, "-src.", "-node*."), "file name", false},
		"a name with a colour":      {strings.Replace(src, "[kubernetes-src", "[\x1b[31mkubernetes-src", 1), "file name", true},
		"no name":                   {strings.Replace(src, "[kubernetes-src.tar.gz](https://dl.k8s.io/v1.27.2/kubernetes-src.tar.gz)", " ", 1), "file name", false},
		"HTML":                      {`<a href="https://dl.k8s.io/v1.27.2/x">kubernetes-src.tar.gz</a> | ` + sum, "file name", true},
		"HTML around the hash":      {row + "<code>" + sum + "</code>", "is not a sha512", true},
		"a hash too short":          {src[:len(src)-1], "is not a sha512", true},
		"a hash too long":           {src + "0", "is not a sha512", true},
		"a hash in capitals":        {row + strings.ToUpper(sum), "is not a sha512", true},
		"no hash":                   {row, "is not a sha512", true},
		"an empty hash":             {row + "``", "is not a sha512", true},
		"cells exchanged":           {sum + " | " + strings.TrimSuffix(row, " | "), "file name", true},
		"one cell":                  {strings.TrimSuffix(row, " | "), "is not a sha512", true},
		"a cell too many":           {src + " | " + strings.Repeat("0", 128), "3 cells", true},
		"a name that is a hash":     {sum[:64] + " | " + sum, "file name", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseChangelog([]byte(head+strings.Replace(section, src, c.is, 1)), v)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Odd) != 1 || !strings.Contains(got.Odd[0].String(), c.say) || got.Odd[0].Line == 0 {
				t.Fatalf("odd rows %v", got.Odd)
			}
			if strings.ContainsAny(got.Odd[0].String(), "\x1b\r\n") {
				t.Errorf("control characters in %q", got.Odd[0])
			}
			want := slices.DeleteFunc(slices.Clone(whole.Files), func(f FileRow) bool { return f.Name == "kubernetes-src.tar.gz" })
			if !slices.Equal(got.Files, want) || len(got.Images) != len(whole.Images) || got.Algorithm != "sha512" {
				t.Errorf("%d files, %d images, %s", len(got.Files), len(got.Images), got.Algorithm)
			}
			if _, odd := got.Uncompared("kubernetes-src.tar.gz"); !odd {
				t.Error("nothing says that kubernetes-src.tar.gz was not compared")
			}
			if _, odd := got.Uncompared("kubernetes.tar.gz"); odd {
				t.Error("kubernetes.tar.gz was compared")
			}
			// A row that names a file leaves every other alone.
			if _, odd := got.Uncompared("kubernetes-other.tar.gz"); odd != (len(got.Odd[0].Names) == 0) {
				t.Errorf("kubernetes-other.tar.gz: %v, names %v", odd, got.Odd[0].Names)
			}
			if c.named != (len(got.Odd[0].Names) > 0 || mentions(got.Odd[0].Text, "kubernetes-src.tar.gz")) {
				t.Errorf("names %v in %q", got.Odd[0].Names, got.Odd[0].Text)
			}
		})
	}
}

// What is left out cannot hide that another row of the same file was read.
func TestChangelogOddRowBesideAGoodOne(t *testing.T) {
	good := string(testdata(t, "changelog-1.27.md"))
	v := version(t, "v1.27.2")
	at := strings.Index(good, "# v1.27.2\n\n\n## Downloads")
	_, row, _ := strings.Cut(good[at:], "[kubernetes-src.tar.gz]")
	row, _, _ = strings.Cut(row, "\n")
	row = "[kubernetes-src.tar.gz]" + row + "\n"
	twice := func(second string) string { return good[:at] + strings.Replace(good[at:], row, row+second, 1) }

	got, err := ParseChangelog([]byte(twice(row)), v)
	if err != nil || len(got.Odd) != 0 {
		t.Errorf("the same row twice: %v, %v", got, err)
	}
	other := row[:len(row)-2] + "0\n"
	if row[len(row)-2] == '0' {
		other = row[:len(row)-2] + "1\n"
	}
	var ambiguous *AmbiguousError
	if _, err = ParseChangelog([]byte(twice(other)), v); !errors.As(err, &ambiguous) {
		t.Errorf("two hashes of one file: %v", err)
	}
	got, err = ParseChangelog([]byte(twice(row[:len(row)-5]+"\n")), v)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.File("kubernetes-src.tar.gz"); !ok {
		t.Error("the good row is lost")
	}
	if _, odd := got.Uncompared("kubernetes-src.tar.gz"); !odd {
		t.Error("the second row is forgotten")
	}
}

// Rows of images that cannot be read are kept apart, since they shrink a list.
func TestChangelogOddImages(t *testing.T) {
	good := string(testdata(t, "changelog-1.27.md"))
	v := version(t, "v1.27.2")
	at := strings.Index(good, "# v1.27.2\n\n\n## Downloads")
	for name, c := range map[string][3]string{
		"a foreign registry":      {"registry.k8s.io/kube-proxy:v1.27.2", "evil.example/kube-proxy:v1.27.2", "is not an image of a release"},
		"an unknown architecture": {"[arm64](", "[armageddon](", "is not an architecture"},
		"a tag that is no tag":    {"registry.k8s.io/kube-proxy:v1.27.2", "registry.k8s.io/kube-proxy:newest", "has the tag"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseChangelog([]byte(good[:at]+strings.Replace(good[at:], c[0], c[1], 1)), v)
			if err != nil {
				t.Fatal(err)
			}
			rows := got.OddImages()
			if len(rows) != 1 || !strings.Contains(rows[0].String(), c[2]) || len(got.Images) == 0 || len(got.Files) == 0 {
				t.Errorf("%v, %d images", rows, len(got.Images))
			}
			if _, odd := got.Uncompared("kubernetes-nothing.tar.gz"); odd {
				t.Error("an image's row is taken for a file's")
			}
		})
	}
}

// What was meant as a table and is none, or has another title, is named.
func TestChangelogRowsOutsideATable(t *testing.T) {
	v := Version{1, 27, 2, ""}
	sum := strings.Repeat("ab", 64)
	for name, text := range map[string]string{
		"an unknown column":   "filename | crc32 hash\n--- | ---\nkubernetes.tar.gz | " + sum,
		"an unknown title":    "what | sum\n--- | ---\nkubernetes.tar.gz | " + sum,
		"hash alg and hash":   "binary | hash alg | hash\n--- | --- | ---\n`kubernetes.tar.gz` | sha512 | `" + sum + "`",
		"no table":            "kubernetes.tar.gz | " + sum,
		"a blank line inside": "filename | sha512 hash\n--- | ---\n\nkubernetes.tar.gz | " + sum,
		"a list":              "- [kubernetes.tar.gz](https://dl.k8s.io/v1.27.2/kubernetes.tar.gz): `" + sum + "`",
		"a list of lists":     "* Source\n    * kubernetes.tar.gz " + sum,
		"a code block":        "    kubernetes.tar.gz | " + sum,
		"an HTML table":       "<table>\n<tr><td>kubernetes.tar.gz</td><td>" + sum + "</td></tr>\n</table>",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseChangelog([]byte("# v1.27.2\n\n## Downloads for v1.27.2\n\n"+text+"\n\n## Changelog since v1.27.1\n\n- an image of "+sum+"\n"), v)
			if err != nil {
				t.Fatal(err)
			}
			if _, odd := got.Uncompared("kubernetes.tar.gz"); len(got.Odd) != 1 || !odd || len(got.Files) != 0 {
				t.Errorf("odd %v, files %v", got.Odd, got.Files)
			}
		})
	}
}

// Images in a table of another title are named, too.
func TestChangelogImagesInAnotherTable(t *testing.T) {
	text := "# v1.27.2\n\n## Downloads for v1.27.2\n\nimage | architecture\n--- | ---\n[registry.k8s.io/kube-proxy:v1.27.2](https://x) | [amd64](https://x)\n"
	got, err := ParseChangelog([]byte(text), Version{1, 27, 2, ""})
	if err != nil {
		t.Fatal(err)
	}
	if rows := got.OddImages(); len(rows) != 1 || !strings.Contains(rows[0].String(), `headed "image"`) {
		t.Errorf("%v", rows)
	}
}

// A section without downloads is of a version without binaries; it exists.
func TestChangelogWithoutBinaries(t *testing.T) {
	text := "# v1.18.0-alpha.4\n\n[Documentation](https://docs.k8s.io)\n\n## Important note about manual tag\n\nNo binaries have been produced.\n\n# v1.18.0-alpha.3\n"
	var none *NoFilesError
	if _, err := ParseChangelog([]byte(text), version(t, "v1.18.0-alpha.4")); !errors.As(err, &none) {
		t.Errorf("%v", err)
	}
}

func TestRealChangelogsInWhole(t *testing.T) {
	for _, c := range []struct {
		file          string
		sections, odd int
	}{{"CHANGELOG-1.4.md", 25, 1}, {"CHANGELOG-1.14.md", 9, 0}} {
		t.Run(c.file, func(t *testing.T) {
			data := realdata(t, "changelog", c.file)
			versions, err := ChangelogVersions(data)
			if err != nil || len(versions) != c.sections {
				t.Fatalf("%d sections, %v", len(versions), err)
			}
			odd := 0
			for _, v := range versions {
				got, err := ParseChangelog(data, v)
				if err != nil {
					t.Errorf("%s: %v", v, err)
					continue
				}
				if len(got.Files) == 0 {
					t.Errorf("%s: no files", v)
				}
				odd += len(got.Odd)
			}
			if odd != c.odd {
				t.Errorf("%d odd rows", odd)
			}
		})
	}
}

func TestFieldChangelogs(t *testing.T) {
	for _, c := range []struct {
		version    string
		files, odd int
		say        string
	}{
		{"v1.4.12", 13, 1, `"kubernetes-node*.tar.gz"`},
		{"v1.9.0-beta.2", 0, 13, "leads to"}, // every link of it
	} {
		t.Run(c.version, func(t *testing.T) {
			got, err := ParseChangelog(fieldCase(t, "changelog-"+c.version+".md"), version(t, c.version))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Files) != c.files || len(got.Odd) != c.odd || !strings.Contains(got.Odd[0].Why, c.say) {
				t.Errorf("%d files, odd %v", len(got.Files), got.Odd)
			}
		})
	}
}
