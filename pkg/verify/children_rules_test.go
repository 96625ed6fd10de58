package verify

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// shelveIndex puts kube-proxy v1.27.2 on a shelf: an index of arm64 and of what change adds,
// beside which its platform lies too.
func shelveIndex(s *shelf, a *arm64, under string, change func(index doc)) oci.Digest {
	a.shelve(s, nil, nil)
	index := doc{"schemaVersion": 2, "mediaType": registry.OCIIndex, "manifests": []any{doc{"mediaType": a.served, "digest": string(a.manifestDigest), "size": a.desc.Size,
		"platform": doc{"os": "linux", "architecture": "arm64"}}}}
	if change != nil {
		change(index)
	}
	body, _ := json.Marshal(index)
	s.put("kube-proxy", "manifests/", registry.OCIIndex, body)
	return s.put("kube-proxy", "manifests/"+under, registry.OCIIndex, body)
}

// Rule 20: a digest beside a tag is an index, or one platform of the tag's index, which is judged with
// it; another is none of them, an image id is told as such, and an image without an index is
// judged as what its digest gave, under whatever tag.
func TestADigestBesideATag(t *testing.T) {
	one := manifestOf(nil)
	for _, tt := range []struct {
		name   string
		do     func(s *shelf, a *arm64, index oci.Digest) oci.Digest // the digest that is asked for
		core   bool
		index  oci.Digest // that a document gave
		want   string
		child  bool // one platform was chosen
		single bool
		stray  bool
	}{
		{"the index", func(_ *shelf, _ *arm64, index oci.Digest) oci.Digest { return index }, true, "", "verified: ", false, false, false},
		{"its platform", func(_ *shelf, a *arm64, _ oci.Digest) oci.Digest { return a.manifestDigest }, true, "", "verified: ", true, false, false},
		{"another manifest", func(s *shelf, _ *arm64, _ oci.Digest) oci.Digest {
			return s.put("kube-proxy", "manifests/", registry.OCIManifest, one)
		}, true, "", "verified: ", true, false, true},
		{"what is not there", func(*shelf, *arm64, oci.Digest) oci.Digest { return hashOf("9") }, true, "", "verified: ", true, false, true},
		{"a platform, and no tag", func(s *shelf, a *arm64, _ oci.Digest) oci.Digest {
			delete(s.has, "kube-proxy/manifests/v1.27.2")
			return a.manifestDigest
		}, true, "", "unknown absent: the index that ", true, false, false},
		{"neither is there", func(s *shelf, _ *arm64, _ oci.Digest) oci.Digest {
			delete(s.has, "kube-proxy/manifests/v1.27.2")
			return hashOf("9")
		}, true, "", "unknown absent: ", true, false, false},
		{"an image id, and no tag", func(s *shelf, a *arm64, _ oci.Digest) oci.Digest {
			delete(s.has, "kube-proxy/manifests/v1.27.2")
			return a.digest
		}, true, "", "unknown noClaim: ", true, false, false},
		{"an outage of the tag", func(s *shelf, _ *arm64, _ oci.Digest) oci.Digest {
			s.has["kube-proxy/manifests/v1.27.2"] = shelved{"text/html", []byte("<html>")}
			return hashOf("9")
		}, true, "", "unknown malformed: the index that ", true, false, false},
		{"one manifest of a release under the tag", func(s *shelf, a *arm64, _ oci.Digest) oci.Digest {
			s.put("kube-proxy", "manifests/v1.27.2", registry.OCIManifest, one)
			return a.manifestDigest
		}, true, "", "refuted mismatch: ", true, true, false},
		{"an image without an index, under its tag", func(s *shelf, _ *arm64, _ oci.Digest) oci.Digest {
			s.put("kube-proxy", "manifests/", registry.OCIManifest, one)
			return s.put("kube-proxy", "manifests/v1.27.2", registry.OCIManifest, one)
		}, false, "", "verified: ", false, true, false},
		{"an image without an index, under another's tag", func(s *shelf, a *arm64, _ oci.Digest) oci.Digest {
			s.put("kube-proxy", "manifests/v1.27.2", registry.OCIManifest, one)
			return a.manifestDigest
		}, false, "", "verified: ", false, true, false},
		{"the image id of an image without an index", func(s *shelf, a *arm64, _ oci.Digest) oci.Digest {
			body := s.has["kube-proxy-arm64/manifests/v1.27.2"].body
			s.put("kube-proxy", "manifests/v1.27.2", registry.OCIManifest, body)
			return a.digest
		}, false, "", "unknown noClaim: ", true, true, true},
		{"nothing, of an image without an index", func(s *shelf, _ *arm64, _ oci.Digest) oci.Digest {
			s.put("kube-proxy", "manifests/v1.27.2", registry.OCIManifest, one)
			return hashOf("9")
		}, false, "", "verified: ", true, true, true},
		{"a platform of the index that a document gave", func(_ *shelf, a *arm64, _ oci.Digest) oci.Digest { return a.manifestDigest }, true, "this", "verified: ", true, false, false},
		{"a platform of an index that is not there", func(_ *shelf, a *arm64, _ oci.Digest) oci.Digest { return a.manifestDigest }, true, hashOf("8"), "unknown absent: the index that ", true, false, false},
	} {
		s, r := shelfOf(t)
		a := &arm64{}
		index := shelveIndex(s, a, "v1.27.2", nil)
		im := &image{name: "kube-proxy", tag: "v1.27.2", core: tt.core, index: tt.index}
		if im.index == "this" {
			im.index = index
		}
		im.pin = tt.do(s, a, index)
		asked := im.pin
		r.examineIndex(t.Context(), im)
		if !strings.HasPrefix(said(im.digestCheck), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, said(im.digestCheck), tt.want)
		}
		if (im.child == asked) != tt.child || im.single != tt.single || im.stray != tt.stray {
			t.Errorf("%s: child %s, single %v, stray %v", tt.name, im.child.Short(), im.single, im.stray)
		}
		if tt.child && im.askedFor.Digest != asked || im.signed.signature.Name == "" || !strings.HasSuffix(r.subject(im), string(asked)) {
			t.Errorf("%s: asked for as %s, subject %s", tt.name, im.askedFor, r.subject(im))
		}
		if !tt.child && tt.single && (im.pin != asked || im.digest != asked) {
			t.Errorf("%s: judged is %s", tt.name, im.digest)
		}
		if tt.stray && tt.single && (im.digest == "" || im.digest == asked) {
			t.Errorf("%s: judged is %s", tt.name, im.digest)
		}
	}
}

// A digest alone that is nowhere is absent, whatever is checked of it.
func TestADigestThatIsNowhere(t *testing.T) {
	for _, checks := range [][]string{nil, {report.Digest, report.Signature}} {
		_, r := shelfOf(t, checks...)
		im := &image{name: "kube-proxy", pin: hashOf("9")}
		if r.examine(t.Context(), im); !strings.HasPrefix(said(im.digestCheck), "unknown absent: ") || im.signed.signature.Reason != report.NoClaim || im.digest != "" {
			t.Errorf("%v: %s", checks, said(im.digestCheck))
		}
	}
}

// What the index of a name brings with it: each of its platforms is read, those that are missing are not,
// its signature counts for them, and what a mirror leaves out is looked for.
func TestPlatformsThatAnIndexBrings(t *testing.T) {
	made := newSignatures(t)
	for _, tt := range []struct {
		name   string
		change func(s *shelf, r *run, im *image)
		want   string // of the platform, and of the index
	}{
		{"as it is", nil, "verified / verified"},
		{"one that is missing before it", func(_ *shelf, _ *run, im *image) { im.expect = []string{"amd64", "arm64"} }, "verified / verified"},
		{"asked for by another digest", func(_ *shelf, _ *run, im *image) {
			im.name, im.arches = "kube-proxy", []string{"arm64"}
			im.platformPin = hashOf("1")
		}, "refuted / verified"},
		{"left out by a mirror's list, and another there", func(s *shelf, _ *run, im *image) {
			im.arches, im.narrowed = []string{"arm64"}, true
			s.put("kube-proxy-amd64", "manifests/v1.27.2", registry.OCIManifest, manifestOf(nil))
		}, "verified / refuted"},
		{"left out by a mirror's list", func(_ *shelf, _ *run, im *image) { im.arches, im.narrowed = []string{"arm64"}, true }, "verified / verified"},
		{"contents alone", func(_ *shelf, r *run, _ *image) {
			*r = *runAlso(t, r, report.Digest, report.Signature, report.Contents)
		}, "verified / verified"},
	} {
		s, r := shelfOf(t)
		r, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: made.root()}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		a := &arm64{}
		index := shelveIndex(s, a, "v1.27.2", func(index doc) {
			index["manifests"] = append(index["manifests"].([]any), doc{"mediaType": a.served, "digest": string(hashOf("7")), "size": 7, "platform": doc{"os": "linux", "architecture": "amd64"}})
		})
		payload := payloadFor("registry.k8s.io/kube-proxy", index, "null")
		l := signedLayer{doc{"mediaType": simpleSigning, "digest": string(oci.DigestOf(payload)), "size": len(payload), "annotations": made.by.Sign(payload, world.Signing{}).Annotations()}, payload}
		s.put("kube-proxy", "manifests/"+index.SignatureTag(), registry.OCIManifest, manifestOf(func(m doc) { m["layers"] = []any{l.descriptor} }))
		im := &image{name: "kube-proxy", tag: "v1.27.2", core: true, expect: []string{"arm64"}}
		if tt.change != nil {
			tt.change(s, r, im)
		}
		r.examineIndex(t.Context(), im)
		for _, p := range im.platforms {
			if p.arch != "arm64" {
				continue
			}
			if got := p.digestCheck.Verdict.String() + " / " + im.digestCheck.Verdict.String(); got != tt.want {
				t.Errorf("%s: %s, want %s: %s; %s", tt.name, got, tt.want, said(p.digestCheck), said(im.digestCheck))
			}
			if !im.signed.holds() || !p.signed.holds() || !strings.HasPrefix(p.signed.signature.Detail, "named by the signed index: ") {
				t.Errorf("%s: signed %s", tt.name, said(p.signed.signature))
			}
			if strings.HasPrefix(tt.want, "verified") && (p.diffIDs == nil || len(p.seenAs) != 1) {
				t.Errorf("%s: its config was not read", tt.name)
			}
		}
	}
}

// runAlso is a run of other checks that reads from where r does.
func runAlso(t testing.TB, r *run, checks ...string) *run {
	t.Helper()
	out, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: r.session.Root, Checks: checks}).newRun()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
