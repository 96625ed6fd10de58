package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"v1.27.2", "1.28.0-alpha.1", "v1.2.7-rc.10", "v01.2.3", "1.27", "stable-1.27", "latest"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err == nil {
			// One spelling, with or without its v.
			if v.String() != "v"+strings.TrimPrefix(s, "v") || v.Compare(v) != 0 {
				t.Errorf("%q was read as %s", s, v)
			}
			if err := CheckPath(v.String()); err != nil {
				t.Error(err)
			}
		}
		marker, exact, err := Channel(s)
		if err == nil && marker == "" && exact != v {
			t.Errorf("%q: %v", s, exact)
		}
		if marker != "" && CheckPath(marker) != nil {
			t.Errorf("%q makes the marker %q", s, marker)
		}
	})
}

// confined reports what must hold for every name that a parser lets through.
func confined(t *testing.T, v Version, path, url string) {
	t.Helper()
	if err := CheckPath(path); err != nil {
		t.Error(err)
	}
	if url != v.FileURL(path) {
		t.Errorf("URL %q", url)
	}
}

func FuzzChangelog(f *testing.F) {
	for _, name := range []string{"changelog-1.2.md", "changelog-1.11.md", "changelog-1.12.md", "changelog-1.24.md", "changelog-1.27.md", "changelog-1.37.md"} {
		f.Add(testdata(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		versions, err := ChangelogVersions(data)
		if err != nil {
			return
		}
		for _, v := range versions[:min(len(versions), 4)] {
			if c, err := ParseChangelog(data, v); err == nil {
				seen := map[string]bool{}
				for _, row := range c.Files {
					confined(t, v, row.Name, row.URL)
					if seen[row.Name] {
						t.Errorf("%q twice", row.Name)
					}
					seen[row.Name] = true
					for sum, n := range map[string]int{row.SHA512: sha512Hex, row.SHA256: sha256Hex, row.SHA1: sha1Hex, row.MD5: md5Hex} {
						if sum != "" && !isHex(sum, n) {
							t.Errorf("%q: %q", row.Name, sum)
						}
					}
				}
				for _, m := range c.Images {
					if !imageName(m.Name) || m.Tag != v.String() || len(m.Platforms) == 0 || m.Registry != registryHost && m.Registry != oldRegistryHost {
						t.Errorf("%+v", m)
					}
				}
				if len(c.Files)+len(c.Images) == 0 {
					continue // nothing but rows that were left out
				}
				c.Odd = nil // they are not written again
				again, err := ParseChangelog(renderChangelog(c), v)
				if err != nil || fmt.Sprint(again) != fmt.Sprint(c) {
					t.Errorf("written again it reads otherwise: %v\n%v\n%v", err, c, again)
				}
			}
			if notes, err := ParseNotes(data, v); err == nil {
				for _, n := range notes {
					if n.Text == "" || n.Kind == "" {
						t.Errorf("%+v", n)
					}
				}
			}
		}
	})
}

// renderChangelog writes what was read in the newest form.
func renderChangelog(c *Changelog) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n## Downloads for %[1]s\n\n", c.Version)
	for _, row := range c.Files {
		sums := slices.DeleteFunc([]string{row.SHA512, row.SHA256, row.SHA1, row.MD5}, func(s string) bool { return s == "" })
		b.WriteString("filename" + strings.Repeat(" | sha512 hash", len(sums)) + "\n---" + strings.Repeat(" | ---", len(sums)) + "\n")
		fmt.Fprintf(&b, "`%s` | %s\n\n", row.Name, strings.Join(sums, " | "))
	}
	for _, m := range c.Images {
		fmt.Fprintf(&b, "name | architectures\n---- | ----\n`%s/%s:%s` | %s\n\n", m.Registry, m.Name, m.Tag, strings.Join(m.Arches(), ", "))
	}
	return b.Bytes()
}

func FuzzChecksums(f *testing.F) {
	sum := strings.Repeat("a", 64)
	f.Add([]byte(sum + "  /workspace/src/k8s.io/kubernetes/_output-v1.27.2/gcs-stage/v1.27.2/bin/linux/amd64/kubectl\n" + sum + "  kubernetes.tar.gz"))
	f.Add([]byte(sum + sum + " *kubernetes.tar.gz\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := Version{1, 27, 2, ""}
		c, err := ParseChecksums(data, v)
		if err != nil {
			return
		}
		var b bytes.Buffer
		for path, sum := range c.Sums {
			confined(t, v, path, v.FileURL(path))
			fmt.Fprintf(&b, "%s  %s\n", sum, path)
		}
		again, err := ParseChecksums(b.Bytes(), v)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(c) {
			t.Errorf("written again it reads otherwise: %v\n%v\n%v", err, c, again)
		}
	})
}

func FuzzProvenance(f *testing.F) {
	w, v := release1272(f)
	f.Add([]byte(w.pages[v.FileURL("provenance.json")]))
	f.Add(provenanceOf(publishedAt+"x", publishedAt+"x", stagedAt+"y=256", "elsewhere=512"))
	f.Add(bundleOf(provenanceOf(publishedAt+"x=sha1", publishedAt+"x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProvenance(data, v)
		if err != nil {
			return
		}
		if len(p.Misplaced()) >= len(p.Subjects) || p.Released() && len(p.Misplaced()) > 0 {
			t.Errorf("%d of %d misplaced, released %v", len(p.Misplaced()), len(p.Subjects), p.Released())
		}
		byPath := map[string]ProvenanceSubject{}
		for _, s := range p.Subjects {
			if s.Path != "" {
				confined(t, v, s.Path, v.FileURL(s.Path))
				if old, twice := byPath[s.Path]; twice && (old.SHA256 != s.SHA256 || old.SHA512 != s.SHA512) {
					t.Errorf("two claims of %q", s.Path)
				}
				byPath[s.Path] = s
			}
			if s.SHA256 != "" && !isHex(s.SHA256, 64) || s.SHA512 != "" && !isHex(s.SHA512, 128) {
				t.Errorf("%+v", s)
			}
		}
		if !json.Valid(data) {
			t.Error("that was not JSON")
		}
	})
}

// The two readers of a promotion manifest must agree wherever the quicker one
// takes it upon itself to read.
func FuzzPromotion(f *testing.F) {
	d := "sha256:" + strings.Repeat("a", 64)
	f.Add([]byte("- name: pause\n  dmap:\n    \"" + d + "\": [\"3.9\", \"3.9.1\"]\n"))
	f.Add([]byte("# c\n\n- name: coredns/coredns\n  dmap:\n- name: x.y\n  dmap:\n    \"" + d + "\": []\n"))
	f.Add([]byte("#\xff\n- name: a"))
	f.Add([]byte("# c\r- name: a\n- name: b\n# \u2028- name: c\n"))
	f.Add([]byte("- dmap: {\"" + d + "\": [\"3.9\"]}\n  name: pause\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return // the YAML reader's time is not what is tried here
		}
		p, ok, err := promotionLines(string(data))
		if ok {
			q, yamlErr := promotionYAML(data)
			if (err == nil) != (yamlErr == nil) {
				t.Fatalf("line by line: %v; as YAML: %v", err, yamlErr)
			}
			if err == nil && fmt.Sprint(p.images) != fmt.Sprint(q.images) {
				t.Fatalf("line by line %v\nas YAML %v", p.images, q.images)
			}
		}
		p, err = ParsePromotion(data)
		if err != nil {
			return
		}
		for _, name := range p.Images() {
			for digest, tags := range p.images[name] {
				for _, tag := range tags {
					if !slices.Contains(p.Digests(name, tag), digest) {
						t.Errorf("%s %s %s", name, digest, tag)
					}
				}
			}
		}
	})
}
