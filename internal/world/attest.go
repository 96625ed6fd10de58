package world

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// Types of attestations that Kubernetes' promoter writes, and of builds.
const (
	PredicatePromotion    = "https://k8s.io/promo-tools/promotion/v1"
	PredicateSummary      = "https://slsa.dev/verification_summary/v1"
	PredicateProvenance   = "https://slsa.dev/provenance/v1"
	PredicateProvenance02 = "https://slsa.dev/provenance/v0.2"

	// SummaryVerifier is who verifies, in Kubernetes' verification summaries.
	SummaryVerifier = "https://k8s.io/promo-tools/verifier/v1"

	// KrelBuilder and KrelBuildType are who builds releases and images, and how (kubernetes/release, docs/krel).
	KrelBuilder   = "https://git.k8s.io/release/docs/krel"
	KrelBuildType = "https://git.k8s.io/release/docs/krel/buildtypes/v1"

	// StagingProject is where images are built: their provenance calls them by their name there.
	StagingProject = "gcr.io/k8s-staging-kubernetes/"

	ociIndexType = "application/vnd.oci.image.index.v1+json"
)

// Statement writes an in-toto statement about images: names without tag and
// their digests, in turn.
func Statement(predicateType string, predicate any, namesAndDigests ...string) []byte {
	type m = map[string]any
	subjects := []m{}
	for i := 0; i+1 < len(namesAndDigests); i += 2 {
		subjects = append(subjects, m{"name": namesAndDigests[i], "digest": m{"sha256": strings.TrimPrefix(namesAndDigests[i+1], "sha256:")}})
	}
	return compactJSON(m{"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": predicateType, "predicate": predicate})
}

// Summary is the predicate of a verification summary (slsa.dev/spec/v1.0/verification_summary).
// One that FAILED has that word in the place of its levels, whatever they are.
func Summary(verifier, result, resource string, levels ...string) any {
	type m = map[string]any
	if result == "FAILED" {
		levels = []string{"FAILED"}
	}
	return m{
		"verifier": m{"id": verifier}, "timeVerified": "2026-10-06T16:35:37Z", "resourceUri": resource,
		"policy": m{"uri": "https://k8s.io/promo-tools/policy/v1"}, "verificationResult": result,
		"verifiedLevels": levels, "slsaVersion": "1.0",
	}
}

// KrelProvenance is the predicate of an image's provenance (slsa.dev/provenance/v1),
// as krel writes it.
func KrelProvenance(builder, buildType string) any {
	type m = map[string]any
	return m{
		"buildDefinition": m{"buildType": buildType, "externalParameters": m{"tag": "v1.37.2"}, "resolvedDependencies": []m{}},
		"runDetails":      m{"builder": m{"id": builder}, "metadata": m{"invocationId": "5d5a2e0c"}},
	}
}

// AttestImage signs a statement about the image of ref and stores it as a
// referrer, as the promoter does. The image is called by its name in the registry,
// in a provenance by that of where it was built. It returns the bundle.
func (w *World) AttestImage(ref, predicateType string, predicate any, how Signing) []byte {
	repo, _, _ := splitRef(ref)
	name := HostRegistry + "/" + repo
	if predicateType == PredicateProvenance || predicateType == PredicateProvenance02 {
		name = StagingProject + repo
	}
	return w.AttestImageAs(name, ref, predicateType, predicate, how)
}

// AttestImageAs is AttestImage under any name.
func (w *World) AttestImageAs(name, ref, predicateType string, predicate any, how Signing) []byte {
	statement := Statement(predicateType, predicate, name, w.Digest(ref))
	bundle := w.sig.Attest(statement, how).Bundle("0.3")
	w.PutReferrer(ref, predicateType, bundle)
	return bundle
}

// PutReferrer stores a Sigstore bundle as a referrer of ref, whatever is in it,
// and lists it under the predicate type of its annotation. It returns the
// referrer's digest. Format: cosign's BUNDLE_SPEC and the OCI image
// specification's "subject".
func (w *World) PutReferrer(ref, predicateType string, bundle []byte) string {
	type m = map[string]any
	repo, _, _ := splitRef(ref)
	subject, ok := w.Manifest(ref)
	if !ok {
		panic("world: no image " + ref)
	}
	kind := sigstore.MediaBundle
	var typed struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(bundle, &typed) == nil && strings.HasPrefix(typed.MediaType, "application/vnd.dev.sigstore.bundle") {
		kind = typed.MediaType // as the client that wrote it would say
	}
	annotations := m{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicateType,
		"org.opencontainers.image.created": "2026-10-06T16:35:37Z"}
	w.PutBlob(bundle)
	w.PutBlob([]byte("{}"))
	body := compactJSON(m{
		"schemaVersion": 2, "mediaType": mediaOCI, "artifactType": kind,
		"config":      describe("application/vnd.oci.empty.v1+json", []byte("{}"), nil),
		"layers":      []any{describe(kind, bundle, nil)},
		"subject":     describe(subject.MediaType, subject.Body, nil),
		"annotations": annotations,
	})
	digest := w.PutManifest(repo, Manifest{mediaOCI, body})
	w.listReferrer(repo, subject.Digest(), m{"mediaType": mediaOCI, "digest": digest, "size": len(body),
		"artifactType": kind, "annotations": annotations})
	return digest
}

// AddReferrer lists any descriptor as a referrer of ref.
func (w *World) AddReferrer(ref string, descriptor map[string]any) {
	repo, _, _ := splitRef(ref)
	w.listReferrer(repo, w.Digest(ref), descriptor)
}

func (w *World) listReferrer(repo, subject string, descriptor map[string]any) {
	type index struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
		Manifests     []any  `json:"manifests"`
	}
	key := HostRegistry + "/v2/" + repo + "/referrers/" + subject
	w.mu.Lock()
	defer w.mu.Unlock()
	list := index{SchemaVersion: 2, MediaType: ociIndexType}
	if old, ok := w.files[key]; ok {
		must(json.Unmarshal(old, &list))
	}
	list.Manifests = append(list.Manifests, descriptor)
	w.files[key] = compactJSON(list)
}

// DropReferrers lists none: an empty index, as a registry with the API answers.
func (w *World) DropReferrers(ref string) {
	repo, _, _ := splitRef(ref)
	digest := w.Digest(ref)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[HostRegistry+"/v2/"+repo+"/referrers/"+digest] = compactJSON(map[string]any{
		"schemaVersion": 2, "mediaType": ociIndexType, "manifests": []any{}})
}

// TagReferrers moves the list of referrers to the fallback tag, for a registry
// without the API.
func (w *World) TagReferrers(ref string) {
	repo, _, _ := splitRef(ref)
	digest := w.Digest(ref)
	key := HostRegistry + "/v2/" + repo + "/referrers/" + digest
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.files[key]
	delete(w.files, key)
	w.putManifest(repo, Manifest{ociIndexType, list}, strings.Replace(digest, ":", "-", 1))
}

// When the promoter began to write attestations.
var (
	promotionsSince = time.Date(2026, 9, 24, 0, 0, 0, 0, time.UTC)
	summariesSince  = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
)

// attestRelease stores what the promoter of a release's time attests.
func (w *World) attestRelease(r *release) {
	if r.time.Before(promotionsSince) {
		return
	}
	for _, name := range r.core() {
		ref := name + ":" + r.version
		digest := w.Digest(ref)
		at := r.time.Add(2 * time.Hour)
		w.AttestImage(ref, PredicatePromotion, PromotionRecord(HostRegistry+"/"+ref, digest), Signing{Identity: KrelTrust, Time: at})
		if r.time.Before(summariesSince) {
			continue
		}
		w.AttestImage(ref, PredicateSummary, Summary(SummaryVerifier, "PASSED", HostRegistry+"/"+name+"@"+digest, "SLSA_BUILD_LEVEL_3"),
			Signing{Identity: Summaries, Time: at})
		w.AttestImage(ref, PredicateProvenance, KrelProvenance(KrelBuilder, KrelBuildType), Signing{Identity: KrelStage, Time: at})
		w.attestChildren(name, ref, at)
		if name == "kube-scheduler" { // promoted, and once more written down by a later check
			w.AttestImage(ref, PredicatePromotion, SigcheckRecord(HostRegistry+"/"+ref, digest), Signing{Time: at.Add(24 * time.Hour)})
		}
	}
}

// attestChildren stores what is attested of the platforms of an image: a summary
// and a provenance, and no promotion record.
func (w *World) attestChildren(name, ref string, at time.Time) {
	_, tag, _ := splitRef(ref)
	for _, arch := range w.Arches(tag) {
		own := name + "-" + arch
		child := name + "@" + w.Digest(own+":"+tag)
		w.AttestImage(child, PredicateSummary, Summary(SummaryVerifier, "PASSED", HostRegistry+"/"+child, "SLSA_BUILD_LEVEL_3"),
			Signing{Identity: Summaries, Time: at})
		w.AttestImageAs(StagingProject+own, child, PredicateProvenance, KrelProvenance(KrelBuilder, KrelBuildType), Signing{Identity: KrelStage, Time: at})
	}
}

// SigcheckRecord is the predicate of a record that `kpromo sigcheck` wrote
// afterwards: it knows where the image is, and not where it came from.
func SigcheckRecord(destination, digest string) any {
	return map[string]any{"dstRef": destination, "digest": digest, "timestamp": "2026-10-07T09:00:00Z", "builderId": "https://k8s.io/promo-tools@v4.7.1"}
}

// PromotionRecord is the predicate of a promotion record
// (kubernetes-sigs/promo-tools, the predicate's own document).
func PromotionRecord(destination, digest string) any {
	type m = map[string]any
	_, tag, _ := splitRef(destination)
	return m{
		"tags":     []string{tag},
		"manifest": m{"name": PromotionPath("k8s-staging-kubernetes"), "uri": "git+https://github.com/kubernetes/k8s.io", "digest": m{"gitCommit": PromotionCommit}},
		"srcRef":   "gcr.io/k8s-staging-kubernetes/" + strings.TrimPrefix(destination, HostRegistry+"/"), "dstRef": destination,
		"digest": digest, "timestamp": "2026-10-06T16:35:37Z", "builderId": "https://k8s.io/promo-tools@v4.7.1",
	}
}
