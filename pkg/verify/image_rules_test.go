package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

type doc = map[string]any

func shelfDescriptor(mediaType string, body []byte) doc {
	return doc{"mediaType": mediaType, "digest": string(oci.DigestOf(body)), "size": len(body)}
}

// descriptors reads "linux/arm64=2": a platform and the digit of its digest; "=4" has no platform.
func descriptors(list string) (out []registry.Descriptor) {
	for _, one := range strings.Fields(list) {
		name, digit, _ := strings.Cut(one, "=")
		d := registry.Descriptor{Digest: hashOf(digit), MediaType: registry.OCIManifest}
		if name != "" {
			name, version, _ := strings.Cut(name, ":")
			os, arch, _ := strings.Cut(name, "/")
			arch, variant, _ := strings.Cut(arch, "/")
			d.Platform = &registry.Platform{OS: os, Architecture: arch, Variant: variant, OSVersion: version}
		}
		out = append(out, d)
	}
	return out
}

// Rules 2 and 20: the platforms of an index are all that it names, in its order, but for what it carries
// along, and all that the release has; what was not asked for is left out, and said to be
// absent only where a mirror is judged. No platform stands twice.
func TestPlatformsOfAnIndex(t *testing.T) {
	const four = "linux/amd64=1 linux/arm64=2"
	const both = "linux/amd64=1111 linux/arm64=2222"
	released := func(change func(im *image, r *run)) func(im *image, r *run) {
		return func(im *image, r *run) {
			im.expect = []string{"amd64", "arm64"}
			if change != nil {
				change(im, r)
			}
		}
	}
	for _, tt := range []struct {
		name, index string
		change      func(im *image, r *run)
		want        string
		left        string // out of what is examined, and absent
		refuted     bool
	}{
		{"all", four, released(nil), both, "", false},
		{"none that is expected", "", released(nil), "linux/amd64 missing linux/arm64 missing", "", false},
		{"the first alone", "linux/amd64=1", released(nil), "linux/amd64=1111 linux/arm64 missing", "", false},
		{"the last alone", "linux/arm64=2", released(nil), "linux/arm64=2222 linux/amd64 missing", "", false},
		{"more than is expected", four + " linux/riscv64=3", released(nil), both + " linux/riscv64=3333", "", false},
		{"another system's does not count", "windows/amd64=1 linux/arm64=2", released(nil), "windows/amd64=1111 linux/arm64=2222 linux/amd64 missing", "", false},
		{"linux, and then another system", four + " windows/amd64=3", released(nil), both + " windows/amd64=3333", "", false},
		{"what is carried along", four + " unknown/unknown=3 =4", released(nil), both, "", false},
		{"unknown in half", four + " unknown/amd64=3 linux/unknown=4", released(nil), both + " unknown/amd64=3333 linux/unknown=4444", "", false},
		{"one twice", four + " linux/arm64=3", released(nil), both + " linux/arm64=3333", "", true},
		{"one twice, the same", four + " linux/arm64=2", released(nil), both + " linux/arm64=2222", "", true},
		{"one twice, of those that were not asked for", four + " linux/arm64=3", released(func(im *image, _ *run) { im.arches, im.expect = []string{"amd64"}, nil }), "linux/amd64=1111", "", true},
		{"two variants", "linux/arm/v6=1 linux/arm/v7=2", nil, "linux/arm/v6=1111 linux/arm/v7=2222", "", false},
		{"two versions of a system", "windows/amd64:1=1 windows/amd64:2=2", nil, "windows/amd64:1=1111 windows/amd64:2=2222", "", false},
		{"what is carried along twice", "unknown/unknown=3 unknown/unknown=4", nil, "", "", false},
		{"one architecture", four, func(im *image, _ *run) { im.arches = []string{"arm64"} }, "linux/arm64=2222", "", false},
		{"one system", four + " windows/amd64=3", func(im *image, _ *run) { im.oses = []string{"windows"} }, "windows/amd64=3333", "", false},
		{"one architecture of a mirror", four, func(im *image, _ *run) { im.arches, im.narrowed = []string{"arm64"}, true }, "linux/arm64=2222", "linux/amd64", false},
		{"one architecture of what is held", four, func(im *image, r *run) { im.arches, r.held = []string{"arm64"}, true }, "linux/arm64=2222", "linux/amd64", false},
		{"a mirror's list that leaves nothing", four, func(im *image, _ *run) { im.arches, im.narrowed = []string{"s390x"}, true }, both, "", false},
		{"a request that leaves nothing", four, func(im *image, _ *run) { im.arches = []string{"s390x"} }, "", "", false},
		{"one child", four, func(im *image, _ *run) { im.child = hashOf("2") }, "linux/arm64=2222", "", false},
		{"a stray child", four, func(im *image, _ *run) { im.child, im.stray = hashOf("3"), true }, both, "", false},
		{"one child, the others of a mirror", four, func(im *image, r *run) { im.child, r.held = hashOf("2"), true }, "linux/arm64=2222", "", false},
	} {
		r := runOf(t)
		im := &image{name: "kube-proxy", tag: "v1.27.2", digestCheck: report.Check{Name: report.Digest, Verdict: report.Verified}}
		if tt.change != nil {
			tt.change(im, r)
		}
		im.list(r, &registry.Index{Manifests: descriptors(tt.index)})
		var got, left []string
		for _, p := range im.platforms {
			if p.desc.Digest == "" {
				got = append(got, p.name+" missing")
				if said(p.digestCheck) != "unknown incomplete: the index does not name "+p.name+", which this release has" || p.signed.signature.Reason != report.NoClaim || p.signed.absent || !p.linux() {
					t.Errorf("%s: %s: %s, %s", tt.name, p.name, said(p.digestCheck), said(p.signed.signature))
				}
				continue
			}
			got = append(got, p.name+"="+string(p.desc.Digest[7:11]))
			if p.arch != p.desc.Platform.Architecture || p.digestCheck.Verdict != report.Unknown {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
		for _, p := range im.left {
			left = append(left, p.name)
		}
		if g := strings.Join(got, " "); g != tt.want || strings.Join(left, " ") != tt.left {
			t.Errorf("%s: %s, left %s; want %s, left %s", tt.name, g, left, tt.want, tt.left)
		}
		absent := r.session.Report(t.Context(), report.Scope{}, nil, nil).Scope.Absent
		if (tt.left == "") != (len(absent) == 0) || tt.left != "" && absent[0] != "registry.k8s.io/kube-proxy:v1.27.2 "+tt.left {
			t.Errorf("%s: absent %q", tt.name, absent)
		}
		if refuted := im.digestCheck.Verdict == report.Refuted && im.digestCheck.Reason == report.Mismatch; refuted != tt.refuted || !refuted && im.digestCheck.Verdict != report.Verified {
			t.Errorf("%s: %s", tt.name, said(im.digestCheck))
		}
	}
}

// arm64 is one platform of kube-proxy v1.27.2 as a registry has it: config, manifest, and
// the descriptor by which an index names it.
type arm64 struct {
	config         any
	manifest       doc
	served         string // media type
	desc           registry.Descriptor
	digest         oci.Digest // of the config
	manifestDigest oci.Digest
}

// shelve puts one on a shelf, after change has been at its documents, and after, at
// what the index says.
func (a *arm64) shelve(s *shelf, change, after func(a *arm64)) {
	a.config = doc{"os": "linux", "architecture": "arm64", "rootfs": doc{"type": "layers", "diff_ids": []any{hashOf("a"), hashOf("b")}}}
	layer := func(digit string) doc {
		return doc{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": string(hashOf(digit)), "size": 7}
	}
	a.manifest = doc{"schemaVersion": 2, "mediaType": registry.OCIManifest, "layers": []any{layer("c"), layer("d")}}
	a.served = registry.OCIManifest
	if change != nil {
		change(a)
	}
	raw, _ := json.Marshal(a.config)
	a.digest = oci.DigestOf(raw)
	if a.manifest["config"] == nil && a.served != registry.OCIIndex {
		a.manifest["config"] = shelfDescriptor("application/vnd.oci.image.config.v1+json", raw)
	}
	s.put("kube-proxy-arm64", "blobs/", "application/octet-stream", raw)
	s.put("kube-proxy", "blobs/", "application/octet-stream", raw)
	body, _ := json.Marshal(a.manifest)
	a.manifestDigest = s.put("kube-proxy-arm64", "manifests/v1.27.2", a.served, body)
	s.put("kube-proxy", "manifests/", a.served, body)
	a.desc = registry.Descriptor{MediaType: a.served, Digest: a.manifestDigest, Size: int64(len(body)), Platform: &registry.Platform{OS: "linux", Architecture: "arm64"}}
	if after != nil {
		after(a)
	}
}

// Rules 20 and 22: what lies under the name of an architecture is exactly what the index says: digest,
// size and type; its config says the same platform, and as many layers as the manifest has.
func TestAPlatformIsWhatItsIndexSays(t *testing.T) {
	config := func(os, arch string, layers ...oci.Digest) func(a *arm64) {
		return func(a *arm64) {
			a.config = doc{"os": os, "architecture": arch, "rootfs": doc{"type": "layers", "diff_ids": layers}}
		}
	}
	index := func(a *arm64) {
		a.manifest, a.served = doc{"schemaVersion": 2, "mediaType": registry.OCIIndex, "manifests": []any{}}, registry.OCIIndex
	}
	two := []oci.Digest{hashOf("a"), hashOf("b")}
	few := []string{report.Digest, report.Signature}
	for _, tt := range []struct {
		name          string
		change, after func(a *arm64)
		im            image
		checks        []string
		want          string
	}{
		{"as it is", nil, nil, image{}, nil, "verified: "},
		{"another digest", nil, func(a *arm64) { a.desc.Digest = hashOf("1") }, image{}, nil, "refuted mismatch: registry.k8s.io/kube-proxy-arm64:v1.27.2 is sha256:"},
		{"a byte less", nil, func(a *arm64) { a.desc.Size-- }, image{}, nil, "refuted mismatch: registry.k8s.io/kube-proxy-arm64:v1.27.2 has "},
		{"a byte more", nil, func(a *arm64) { a.desc.Size++ }, image{}, nil, "refuted mismatch: registry.k8s.io/kube-proxy-arm64:v1.27.2 has "},
		{"another type", nil, func(a *arm64) { a.desc.MediaType = registry.DockerManifest }, image{}, nil, "refuted mismatch: registry.k8s.io/kube-proxy-arm64:v1.27.2 is application/vnd.oci"},
		{"an index for a platform", index, nil, image{}, nil, "unknown malformed: registry.k8s.io/kube-proxy-arm64:v1.27.2: not usable: an index where one image was expected"},
		{"of another architecture", config("linux", "amd64", two...), nil, image{}, nil, "refuted mismatch: the config says linux/amd64, but the index says linux/arm64"},
		{"of another system", config("windows", "arm64", two...), nil, image{}, nil, "refuted mismatch: the config says windows/arm64, but the index says linux/arm64"},
		{"a layer less in the config", config("linux", "arm64", two[:1]...), nil, image{}, nil, "refuted mismatch: the config names 1 layers, the manifest 2"},
		{"a layer more in the config", config("linux", "arm64", append(two[:2:2], hashOf("c"))...), nil, image{}, nil, "refuted mismatch: the config names 3 layers, the manifest 2"},
		{"a config that is none", func(a *arm64) { a.config = "text" }, nil, image{}, nil, "unknown malformed: config of linux/arm64: "},
		{"a config that is not there", func(a *arm64) { a.manifest["config"] = shelfDescriptor("x", []byte("lost")) }, nil, image{}, nil, "unknown absent: config of linux/arm64: "},
		{"the config is not asked for", config("linux", "amd64"), nil, image{}, few, "verified: "},
		{"the platform that was demanded", nil, nil, image{platformPin: "this"}, nil, "verified: "},
		{"another than was demanded", nil, nil, image{platformPin: hashOf("1")}, nil, "refuted mismatch: registry.k8s.io/kube-proxy-arm64:v1.27.2 is sha256:"},
		{"its image id was demanded", nil, nil, image{platformPin: "config"}, nil, "unknown noClaim: "},
		{"an index, where a platform was demanded", index, nil, image{platformPin: hashOf("1")}, nil, "refuted mismatch: "},
	} {
		s, r := shelfOf(t, tt.checks...)
		a := &arm64{}
		a.shelve(s, tt.change, tt.after)
		im := tt.im
		im.name, im.tag, im.core = "kube-proxy", "v1.27.2", true
		switch im.platformPin {
		case "this":
			im.platformPin = a.manifestDigest
		case "config":
			im.platformPin = a.digest
		}
		p := &platform{arch: "arm64", name: "linux/arm64", desc: a.desc}
		r.examinePlatform(t.Context(), &im, p)
		if !strings.HasPrefix(said(p.digestCheck), tt.want) || p.digestCheck.Name != report.Digest {
			t.Errorf("%s: %s, want %s", tt.name, said(p.digestCheck), tt.want)
		}
		good := p.digestCheck.Verdict == report.Verified
		if read := good && tt.checks == nil; read != (p.diffIDs != nil) || read && len(p.diffIDs) != 2 || good && (len(p.layers) != 2 || len(p.blobs) != 2 || p.config != a.digest || p.repository != "kube-proxy-arm64") {
			t.Errorf("%s: %+v", tt.name, p)
		}
		if !slices.Equal(p.seenAs, []string{"registry.k8s.io/kube-proxy-arm64:v1.27.2"}) || !p.signed.absent {
			t.Errorf("%s: seen as %q, signed %s", tt.name, p.seenAs, said(p.signed.signature))
		}
		var evidence []string
		for _, e := range p.digestCheck.Evidence.All() {
			evidence = append(evidence, e.What+" "+e.Source+" "+e.Digest)
		}
		want := fmt.Sprintf("manifest registry.k8s.io/kube-proxy-arm64:v1.27.2 %s", a.manifestDigest)
		if tt.checks == nil {
			want += fmt.Sprintf(";config kube-proxy-arm64 %s", a.digest)
		}
		if good && strings.Join(evidence, ";") != want {
			t.Errorf("%s: evidence %q", tt.name, evidence)
		}
	}
}
