package sight

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

// Traps 16 to 19: every form of an image's id.
func TestReadID(t *testing.T) {
	a := strings.Repeat("a", 64)
	for in, want := range map[string]imageID{
		"": {},
		"docker-pullable://registry.k8s.io/pause@sha256:" + a: {digest: oci.Digest("sha256:" + a), name: "registry.k8s.io/pause@sha256:" + a},
		"docker://sha256:" + a:                                {digest: oci.Digest("sha256:" + a)},
		"registry.k8s.io/pause@sha256:" + a:                   {digest: oci.Digest("sha256:" + a), name: "registry.k8s.io/pause@sha256:" + a},
		"registry.k8s.io/pause:3.9@sha256:" + a:               {digest: oci.Digest("sha256:" + a), name: "registry.k8s.io/pause:3.9@sha256:" + a},
		"sha256:" + a:                                         {digest: oci.Digest("sha256:" + a)},
		a:                                                     {digest: oci.Digest("sha256:" + a), bare: true},
		"docker://" + a:                                       {digest: oci.Digest("sha256:" + a), bare: true},
		"import-2026-11-26@sha256:" + a:                       {digest: oci.Digest("sha256:" + a)},
		"docker.io/library/import-2026-11-26@sha256:" + a: {digest: oci.Digest("sha256:" + a)},
		"import-2026-11-2x@sha256:" + a:                   {digest: oci.Digest("sha256:" + a), name: "import-2026-11-2x@sha256:" + a},
	} {
		if got := readID(in); got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
	}
	for in, say := range map[string]string{
		"0123456789ab":                  "12 digits",
		"sha256:0123456789ab":           "12 digits",
		"docker://0123456789ab":         "12 digits",
		"rkt://sha256:" + a:             `begins with "rkt"://`,
		"docker://docker://sha256:" + a: `begins with "docker"://`,
		"sha256:" + strings.ToUpper(a):  "is no digest",
		"sha256:" + a[:63]:              "is no digest",
		"sha256:" + a + "a":             "is no digest",
		"sha512:" + a + a:               "is no digest",
		"registry.k8s.io/pause:3.9":     "is no digest",
		"pause@" + a:                    "is not a digest",
		"a b@sha256:" + a:               "is not a repository",
		"a@b@sha256:" + a:               "is no digest",
		"\x1b[31m":                      `\x1b`,
	} {
		if got := readID(in); got.digest != "" || got.name != "" || !strings.Contains(got.fault, say) || strings.Contains(got.fault, "\x1b") {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func FuzzImageID(f *testing.F) {
	f.Add("docker-pullable://registry.k8s.io/pause@sha256:" + strings.Repeat("a", 64))
	f.Add("import-2026-11-26@sha256:" + strings.Repeat("a", 64))
	f.Fuzz(func(t *testing.T, s string) {
		id := readID(s)
		if (id.digest != "") == (id.fault != "") && s != "" && s != "docker://" && s != "docker-pullable://" {
			t.Fatalf("%+v", id)
		}
		if id.digest != "" && !strings.HasSuffix(s, strings.TrimPrefix(string(id.digest), "sha256:")) || id.bare && id.name != "" {
			t.Fatalf("%+v", id)
		}
		if id.name != "" {
			if ref, err := ReadName(id.name); err != nil || ref.Digest != id.digest {
				t.Fatal(ref, err)
			}
		}
	})
}
