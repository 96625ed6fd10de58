package verify

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

func descriptorOf(mediaType string, digest oci.Digest, size int, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, digest, size, more)
}

func imageManifest(config oci.Digest, layers ...string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, registry.OCIManifest,
		descriptorOf("application/vnd.oci.image.config.v1+json", config, 2, ""), strings.Join(layers, ","))
}

func indexManifest(entries ...string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, registry.OCIIndex, strings.Join(entries, ","))
}

func linuxEntry(arch string, digest oci.Digest, size int) string {
	return descriptorOf(registry.OCIManifest, digest, size, `,"platform":{"os":"linux","architecture":"`+arch+`"}`)
}

var configText = []byte(`{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":[]}}`)

// Rule 20: what a digest beside a tag is, by what the tag gives: an index is judged, and one
// manifest under a tag stands for itself, if it is not a release's.
func TestWhatADigestBesideATagIsOf(t *testing.T) {
	s := newShelf()
	config := s.blob("x/y", configText)
	child, other := imageManifest(config), imageManifest(hashOf("c"))
	entry := linuxEntry("arm64", oci.DigestOf(child), len(child))
	s.manifest("x/y", child)
	index := s.manifest("x/y", indexManifest(entry), "listed")
	s.manifest("x/y", other, "single")
	s.manifest("x/y", indexManifest(linuxEntry("arm64", oci.DigestOf(other), len(other))), "elsewhere")
	s.manifest("x/y", child, "ofconfig")
	s.put("x/y", "manifests/down", "", []byte(nil))
	s.put("x/y", "manifests/odd", registry.OCIManifest, []byte(`{"schemaVersion":2}`))
	for _, tt := range []struct {
		name, tag string
		pin       oci.Digest
		core      bool
		want      string // of the check of the index
		digest    oci.Digest
		as        string // what it is taken for
	}{
		{"a platform of the index", "listed", oci.DigestOf(child), false, "verified: ", index, "child"},
		{"an index beside its tag", "listed", index, false, "verified: ", index, "pin"},
		{"no platform of the index", "elsewhere", oci.DigestOf(child), false, "verified: ", oci.DigestOf(indexManifest(linuxEntry("arm64", oci.DigestOf(other), len(other)))), "child stray"},
		{"nowhere, beside an index", "listed", hashOf("9"), false, "verified: ", index, "child stray"},
		{"one manifest, under a tag of another", "single", oci.DigestOf(child), false, "verified: ", oci.DigestOf(child), "pin single"},
		{"the same, of a release", "single", oci.DigestOf(child), true, "refuted mismatch: ", oci.DigestOf(other), "child single"},
		{"nowhere, beside one manifest", "single", hashOf("9"), false, "verified: ", oci.DigestOf(other), "child single stray"},
		{"nowhere, beside one manifest of a release", "single", hashOf("9"), true, "refuted mismatch: ", oci.DigestOf(other), "child single"},
		{"the config of the only manifest", "ofconfig", config, false, "unknown noClaim: " + config.Short() + " is an image id: the digest of the config of its only platform", oci.DigestOf(child), "child single stray"},
		{"beside a tag that is not there", "gone", oci.DigestOf(child), false, "unknown absent: the index that " + oci.DigestOf(child).Short() + " would be of: ", "", "child"},
		{"the config of an image, beside a tag that is not there", "gone", config, false, "unknown noClaim: " + config.Short() + " is an image id: the digest of the config of its linux/arm64", "", "child"},
		{"nowhere, beside a tag that is not there", "gone", hashOf("9"), false, "unknown absent: ", "", "child"},
		{"the config of an image, beside a tag that cannot be read", "down", config, false, "unknown unreachable: the index that ", "", "child"},
		{"beside a tag of what is no manifest", "odd", oci.DigestOf(child), false, "unknown malformed: the index that ", "", "child"},
	} {
		r := s.reads(t)
		im := &image{name: "x/y", tag: tt.tag, pin: tt.pin, core: tt.core}
		before := r.subject(im)
		r.examineIndex(t.Context(), im)
		if got := said(im.digestCheck); !strings.HasPrefix(got, tt.want) || im.digest != tt.digest {
			t.Errorf("%s: %s of %s, want %s of %s", tt.name, got, im.digest.Short(), tt.want, tt.digest.Short())
		}
		var as []string
		for what, is := range map[string]bool{"child": im.child == tt.pin && im.pin == "", "pin": im.pin == tt.pin && im.child == ""} {
			if is {
				as = append(as, what)
			}
		}
		if im.single {
			as = append(as, "single")
		}
		if im.stray {
			as = append(as, "stray")
		}
		if got := strings.Join(as, " "); got != tt.as || r.subject(im) != before {
			t.Errorf("%s: %s, want %s; called %s", tt.name, got, tt.as, r.subject(im))
		}
		// Whatever came, no signature is missing from the report, and none that was not looked for counts.
		if c := im.signed.signature; c.Name != report.Signature || c.Verdict != report.Unknown || (c.Reason == report.Absent) != (im.digest != "") {
			t.Errorf("%s: the signature is %s", tt.name, said(c))
		}
	}
}

// A caller's own name stays where a hint gave the tag, and the digest that a hint gave the index is
// the one that is read.
func TestAChildIsCalledAsItWasAskedFor(t *testing.T) {
	s := newShelf()
	child := imageManifest(s.blob("x/y", configText))
	s.manifest("x/y", child)
	first := s.manifest("x/y", indexManifest(linuxEntry("arm64", oci.DigestOf(child), len(child))))
	s.manifest("x/y", indexManifest(), "t")
	r := s.reads(t)
	asked := registry.Ref{Host: "registry.k8s.io", Repository: "x/y", Digest: oci.DigestOf(child)}
	im := r.childOf(asked, "t", "arm64", first)
	r.examineIndex(t.Context(), im)
	if im.digest != first || im.askedFor != asked || len(im.platforms) != 1 {
		t.Errorf("read %s, called %s, %d platforms", im.digest, im.askedFor, len(im.platforms))
	}
}

// What could not be read is told apart only where it is not there: as the digest of a config, which
// the registry has as a blob.
func TestWhatCouldNotBeRead(t *testing.T) {
	s := newShelf()
	config := s.blob("x/y", configText)
	odd := s.blob("x/y", []byte(`{"os":"linux"}`))
	absent, down := &fetch.Error{Kind: fetch.NotFound}, &fetch.Error{Kind: fetch.ServerError}
	for _, tt := range []struct {
		name       string
		child, pin oci.Digest
		err        error
		want       string
	}{
		{"a config", "", config, absent, "unknown noClaim: " + config.Short() + " is an image id"},
		{"a config beside a tag", config, hashOf("9"), absent, "unknown noClaim: " + config.Short() + " is an image id"},
		{"a config, in an outage", "", config, down, "unknown unreachable: "},
		{"a config that was other bytes", "", config, &registry.DigestError{}, "refuted mismatch: "},
		{"nothing", "", hashOf("9"), absent, "unknown absent: "},
		{"a blob that is no config", "", odd, absent, "unknown absent: "},
		{"a tag", "", "", absent, "unknown absent: "},
		{"what is known of no kind", "", config, errors.New("x"), "unknown malformed: x"},
	} {
		im := &image{name: "x/y", child: tt.child, pin: tt.pin}
		if got := said(s.reads(t).notRead(t.Context(), im, tt.err)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Rule 33 and 20: one manifest where a release has an index says so, and what is said of a digest
// that was not read says which tag stood beside it.
func TestWhatAStrayIsSaidToBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(im *image)
		says   string
	}{
		{"a stranger", func(*image) {}, "is none of the 0 platforms that registry.k8s.io/kube-proxy:v1.27.2 names"},
		{"carried along", func(im *image) { im.carriedAlong = true }, "is carried along by the index of registry.k8s.io/kube-proxy:v1.27.2"},
		{"beside one manifest", func(im *image) { im.single = true }, "could not be read, and registry.k8s.io/kube-proxy:v1.27.2 is one manifest"},
		{"both", func(im *image) { im.single, im.carriedAlong = true, true }, "is carried along by the index"},
	} {
		im := &image{name: "kube-proxy", tag: "v1.27.2", child: hashOf("1"), digest: hashOf("2"), pin: hashOf("2"), askedFor: registry.Ref{Tag: "v1.27.2"}}
		im.digestCheck = report.Check{Verdict: report.Verified, Evidence: report.EvidenceOf(report.Evidence{What: "manifest", Source: "the index"})}
		tt.change(im)
		c := runOf(t).strayCheck(im)
		if e := c.Evidence.All(); !strings.Contains(c.Detail, tt.says) || len(e) != 1 || e[0].Source != "the index" {
			t.Errorf("%s: %s, by %+v", tt.name, said(c), e)
		}
	}
}

// A version is known by the form of its tag: v1, and as a release writes it.
func TestWhichTagsAreVersions(t *testing.T) {
	for tag, want := range map[string]bool{"v1.27.2": true, "v1.27.0-rc.1": true, "1.27.2": false, "v2.27.2": false, "v1.27": false, "": false, "V1.27.2": false} {
		if v, ok := versionOf(tag); ok != want || want && v.String() != tag || want && v == (release.Version{}) {
			t.Errorf("%q: %v %v", tag, v, ok)
		}
	}
}
