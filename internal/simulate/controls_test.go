package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// control is something that an attacker, or a registry's habits, or bad luck does.
type control struct {
	name string
	part int
	do   func(s *scene, r *rand.Rand)
}

// evil is a Sigstore that nobody trusts.
var evil = sync.OnceValue(func() *world.Sigstore { return world.NewSigstore("evil") })

// attack applies a control. What package world cannot do, as there is nothing to do it to, is not done.
func (s *scene) attack(c control, seed uint64) {
	defer func() {
		if v := recover(); v != nil && !strings.HasPrefix(fmt.Sprint(v), "world: ") {
			panic(v)
		}
	}()
	c.do(s, sub(seed, 7))
}

var stored = []control{
	{"serve another release", 4, func(s *scene, r *rand.Rand) {
		if s.other == s.version {
			return
		}
		parts := []world.Part{world.AllImages, world.SBOM, world.Changelog, world.Promotion, world.Binaries, world.Part(s.image)}
		var some []world.Part
		for _, p := range parts {
			if r.IntN(3) == 0 {
				some = append(some, p)
			}
		}
		s.lies = true // ServeAs without parts, or with the publisher's
		if len(some) > 0 {
			s.lies = strings.Contains(fmt.Sprint(some), string(world.Changelog)) || strings.Contains(fmt.Sprint(some), string(world.Promotion))
		}
		s.w.ServeAs(s.other, s.version, some...)
	}},
	{"one image of another release", 2, func(s *scene, r *rand.Rand) { s.w.ServeAs(s.other, s.version, world.Part(s.image)) }},
	{"swap images", 3, func(s *scene, r *rand.Rand) {
		s.w.SwapImage(s.version, s.image, pick(r, []string{"kube-scheduler", "kube-proxy", "kube-apiserver"}))
	}},
	{"swap architectures", 2, func(s *scene, r *rand.Rand) { s.w.SwapArch(s.version, s.image, s.arch, s.otherArch(r)) }},
	{"swap architectures in the index", 2, func(s *scene, r *rand.Rand) { s.w.SwapArchInList(s.version, s.image, s.arch, s.otherArch(r)) }},
	{"drop an image", 1, func(s *scene, r *rand.Rand) { s.lies = true; s.w.DropImage(s.version, s.image) }},
	{"drop a platform", 1, func(s *scene, r *rand.Rand) { s.lies = true; s.w.DropPlatform(s.version, s.image, s.arch) }},
	{"drop an image, signed", 1, func(s *scene, r *rand.Rand) {
		s.lies = true
		s.w.DropImage(s.version, pick(r, []string{s.image, "kube-scheduler"}))
		signed := s.w.SignFile(world.SBOMURL(s.version), world.Signing{})
		s.signed = append(s.signed, digestOf(signed.Payload))
	}},
	{"drop a signature", 2, func(s *scene, r *rand.Rand) { s.w.DropSignature(s.anyRef(r)) }},
	{"copy a signature", 3, func(s *scene, r *rand.Rand) { s.w.CopySignature(s.anyRef(r), s.anyRef(r)) }},
	{"sign as somebody", 4, signAs},
	{"many signatures", 1, func(s *scene, r *rand.Rand) {
		bad := s.w.SignAs(s.image+":"+s.tag, world.Signing{Digest: s.truth.Image("kube-scheduler:"+s.version, "")})[0]
		layers := make([]*world.Signed, 2+r.IntN(60))
		for i := range layers {
			layers[i] = bad
		}
		s.w.PutSignature(s.image, s.w.Digest(s.image+":"+s.tag), layers...)
	}},
	{"change a config", 4, func(s *scene, r *rand.Rand) {
		how := world.Rehash(r.IntN(4))
		s.lies = s.lies || how == world.UpwardPromoted
		seed := r.Uint64()
		s.w.ChangeConfig(s.version, s.image, s.arch, how, func(b []byte) []byte { return edit(sub(seed, 1), b) })
	}},
	{"change a layer", 4, func(s *scene, r *rand.Rand) {
		how := world.Rehash(r.IntN(4))
		s.lies = s.lies || how == world.UpwardPromoted
		s.w.ChangeLayer(s.version, s.image, s.arch, how, fmt.Appendf(nil, "#!/bin/sh\necho %d\n", r.Uint64()))
	}},
	{"one platform as the image", 1, func(s *scene, r *rand.Rand) {
		m, _ := s.w.Manifest(s.image + "-" + s.arch + ":" + s.version)
		s.w.PutManifest(s.image, m, s.tag)
	}},
	{"the index as a platform", 1, func(s *scene, r *rand.Rand) {
		m, _ := s.w.Manifest(s.image + ":" + s.tag)
		s.w.PutManifest(s.image+"-"+s.arch, m, s.version)
	}},
	{"another manifest at a digest", 3, func(s *scene, r *rand.Rand) {
		one, two := s.anyRef(r), s.anyRef(r)
		m, _ := s.w.Manifest(two)
		repo, _, _ := strings.Cut(one, ":")
		s.w.PutManifestAt(repo+"@"+s.w.Digest(one), m)
	}},
	{"an edited manifest, and its signature", 4, func(s *scene, r *rand.Rand) {
		ref := s.anyRef(r)
		m, ok := s.w.Manifest(ref)
		if !ok {
			return
		}
		old := s.w.Digest(ref)
		repo, tag, _ := strings.Cut(ref, ":")
		m.Body = edit(r, m.Body)
		digest := s.w.PutManifest(repo, m, tag)
		if sig, ok := s.w.Manifest(repo + ":" + strings.Replace(old, ":", "-", 1) + ".sig"); ok {
			s.w.PutManifest(repo, sig, strings.Replace(digest, ":", "-", 1)+".sig")
		}
	}},
	{"an edited file and its checksums", 4, func(s *scene, r *rand.Rand) {
		url := world.FileURL(s.version, s.anyFile(r))
		if b := s.w.File(url); b != nil {
			s.w.PutDocument(url, edit(r, b))
		}
	}},
	{"another file and its checksums", 3, func(s *scene, r *rand.Rand) {
		url, other := world.FileURL(s.version, s.anyFile(r)), world.FileURL(pick(r, []string{s.version, s.other}), s.anyFile(r))
		for _, suffix := range []string{"", ".sig", ".cert", ".sha256", ".sha512"} {
			if suffix == "" || r.IntN(4) > 0 {
				s.w.PutFile(url+suffix, s.w.File(other+suffix))
			}
		}
	}},
	{"a file signed by somebody", 2, func(s *scene, r *rand.Rand) {
		url := world.FileURL(s.version, s.anyFile(r))
		if b := s.w.File(url); b != nil {
			s.w.PutDocument(url, edit(r, b))
			s.w.SignFile(url, stranger(r))
		}
	}},
	{"an edited document of files", 4, func(s *scene, r *rand.Rand) {
		url := world.FileURL(s.version, pick(r, []string{"kubernetes-release.spdx", "SHA256SUMS", "SHA512SUMS", "provenance.json"}))
		if b := s.w.File(url); b != nil {
			s.w.PutFile(url, edit(r, b))
		}
	}},
	{"an edited document of claims", 3, func(s *scene, r *rand.Rand) {
		url := pick(r, []string{world.ChangelogURL(s.version), world.PromotionURL("k8s-staging-kubernetes"), world.PromotionAtCommit("k8s-staging-kubernetes")})
		if b := s.w.File(url); b != nil {
			s.lies = true
			s.w.PutFile(url, edit(r, b))
		}
	}},
	{"provenance of another form", 1, func(s *scene, r *rand.Rand) {
		f := world.ProvenanceForm{Staged: r.IntN(2) == 0, Newer: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			f.Version = s.other
		}
		if r.IntN(2) == 0 {
			how := stranger(r)
			f.Sign = &how
		}
		s.w.PutProvenance(s.version, f)
	}},
	{"referrers dropped", 1, func(s *scene, r *rand.Rand) { s.w.DropReferrers(s.image + ":" + s.tag) }},
	{"a statement by somebody", 2, func(s *scene, r *rand.Rand) {
		ref := s.image + ":" + s.tag
		kind := pick(r, []string{world.PredicatePromotion, world.PredicateSummary, world.PredicateProvenance})
		predicate := world.PromotionRecord("registry.k8s.io/"+ref, s.w.Digest(ref))
		if kind == world.PredicateSummary {
			predicate = world.Summary(world.SummaryVerifier, pick(r, []string{"PASSED", "FAILED"}), "registry.k8s.io/"+ref, "SLSA_BUILD_LEVEL_3")
		}
		s.w.AttestImage(ref, kind, predicate, stranger(r))
	}},
	{"a referrer that is no bundle", 1, func(s *scene, r *rand.Rand) {
		s.w.PutReferrer(s.image+":"+s.tag, world.PredicatePromotion, edit(r, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`)))
	}},
}

// stranger is a way to sign that proves nothing: another identity, authority or log.
func stranger(r *rand.Rand) world.Signing {
	return pick(r, []world.Signing{
		{Identity: "mallory@example.com"}, {Identity: world.KrelTrust + ".evil.com"}, {Identity: world.Summaries},
		{Identity: world.KrelTrust, Issuer: "https://accounts.google.com.evil.com"}, {Identity: world.KrelStage, CA: evil()},
		{Identity: world.KrelTrust, CA: evil()}, {Identity: world.KrelTrust, Log: evil()}, {Identity: world.KrelStage, CT: evil()},
		{Identity: world.KrelTrust, NoSCT: true}, {Identity: world.KrelStage, NoLog: true}, {Identity: world.Promoter22},
		{Identity: world.KrelTrust, LogTime: world.Signed2023.Add(time.Hour)}, {Identity: world.KrelStage, LogTime: world.Signed2023.Add(-time.Hour)},
	})
}

// signAs signs an image in one of the ways that prove nothing, or as krel-trust what says
// another thing than it should: another digest, name or type.
func signAs(s *scene, r *rand.Rand) {
	ref := s.anyRef(r)
	genuine := s.truth.Image(ref, "")
	how := []world.Signing{stranger(r)}
	switch r.IntN(5) {
	case 0:
		how = []world.Signing{{Digest: s.truth.Image("kube-scheduler:"+s.version, "")}}
	case 1:
		how = []world.Signing{{Digest: genuine, Reference: pick(r, []string{"registry.k8s.io/kube-scheduler", "evil.example/" + s.image, "us-west1-docker.pkg.dev/k8s-artifacts-prod-x/images/" + s.image})}}
	case 2:
		how = []world.Signing{{Digest: genuine, Type: "atomic container signature"}}
	case 3:
		how = []world.Signing{stranger(r), {Digest: genuine}}
	}
	for i := range how {
		if how[i].Digest == "" && how[i].Identity == "" || genuine == "" {
			return // krel-trust signs nothing that was not released
		}
	}
	s.w.SignAs(ref, how...)
}

func (s *scene) otherArch(r *rand.Rand) string {
	for {
		if a := pick(r, s.w.Arches(s.version)); a != s.arch {
			return a
		}
	}
}

// anyRef is the image of the scene, its platform's, another one's or another release's.
func (s *scene) anyRef(r *rand.Rand) string {
	return pick(r, []string{
		s.image + ":" + s.tag, s.image + ":" + s.tag, s.image + ":" + s.tag, s.image + "-" + s.arch + ":" + s.version,
		s.image + "-" + s.arch + ":" + s.version, "kube-scheduler:" + s.version, s.image + ":" + s.other, "kube-scheduler-" + s.arch + ":" + s.version,
	})
}

func (s *scene) anyFile(r *rand.Rand) string {
	if r.IntN(3) > 0 {
		return s.path
	}
	return pick(r, append(s.w.Files(s.version), "kubernetes-release.spdx", "kubernetes-release.spdx", "SHA256SUMS", "provenance.json"))
}
