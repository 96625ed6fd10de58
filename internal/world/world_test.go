package world_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	cbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/kverify/kverify/internal/world"
)

const v = "v1.27.2"

type sigManifest struct {
	Layers []struct {
		Digest      string            `json:"digest"`
		Annotations map[string]string `json:"annotations"`
	} `json:"layers"`
}

func get(t *testing.T, rt http.RoundTripper, url string) *http.Response {
	t.Helper()
	c := &http.Client{Transport: rt}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func body(t *testing.T, rt http.RoundTripper, url string) []byte {
	t.Helper()
	resp := get(t, rt, url)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %.200s", url, resp.Status, b)
	}
	return b
}

func trusted(t *testing.T, w *world.World) *root.TrustedRoot {
	t.Helper()
	tr, err := root.NewTrustedRootFromJSON(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// cosignVerify verifies each layer of a digest's `.sig` manifest as a given
// identity, with the library that everybody uses.
func cosignVerify(t *testing.T, w *world.World, tr *root.TrustedRoot, repo, digest, identity string) (payloads []string, errs []error) {
	t.Helper()
	var m sigManifest
	if err := json.Unmarshal(body(t, w, world.SignatureURL(repo, digest)), &m); err != nil {
		t.Fatal(err)
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		payload := body(t, w, world.BlobURL(repo, l.Digest))
		opts := []static.Option{
			static.WithCertChain([]byte(l.Annotations["dev.sigstore.cosign/certificate"]), []byte(l.Annotations["dev.sigstore.cosign/chain"])),
		}
		if raw := l.Annotations["dev.sigstore.cosign/bundle"]; raw != "" {
			var b cbundle.RekorBundle
			if err := json.Unmarshal([]byte(raw), &b); err != nil {
				t.Fatal(err)
			}
			opts = append(opts, static.WithBundle(&b))
		}
		sig, err := static.NewSignature(payload, l.Annotations["dev.cosignproject.cosign/signature"], opts...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cosign.VerifyImageSignature(context.Background(), sig, hash, &cosign.CheckOpts{
			TrustedMaterial: tr,
			Offline:         true,
			ClaimVerifier:   cosign.SimpleClaimVerifier,
			Identities:      []cosign.Identity{{Issuer: world.Google, Subject: identity}},
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		payloads = append(payloads, string(payload))
	}
	return payloads, errs
}

func TestImageSignaturesVerifyWithCosign(t *testing.T) {
	w := world.New(world.Options{})
	tr := trusted(t, w)
	forms := map[string]bool{}
	names, tags := w.Images(v)
	for i, name := range names {
		digest := w.Digest(name + ":" + tags[i])
		payloads, errs := cosignVerify(t, w, tr, name, digest, world.KrelTrust)
		if len(payloads) != 1 {
			t.Fatalf("%s: %d signatures of krel-trust: %v", name, len(payloads), errs)
		}
		forms[payloads[0]] = true
		if i >= 5 {
			continue // pause, etcd, coredns: only the list, one layer
		}
		if staged, errs := cosignVerify(t, w, tr, name, digest, world.KrelStage); len(staged) != 1 || !strings.Contains(staged[0], `"gcr.io/k8s-staging-kubernetes/`+name+`"`) {
			t.Errorf("%s: staging layer: %q %v", name, staged, errs)
		}
		for _, arch := range w.Arches(v) {
			repo := name + "-" + arch
			digest := w.Digest(repo + ":" + v)
			payloads, errs := cosignVerify(t, w, tr, repo, digest, world.KrelTrust)
			if len(payloads) != 1 {
				t.Fatalf("%s: %d signatures: %v", repo, len(payloads), errs)
			}
			forms[payloads[0]] = true
			if slices.Contains(w.Tags(name), strings.Replace(digest, ":", "-", 1)+".sig") {
				t.Errorf("%s is signed in the list's repository, too early for %s", repo, v)
			}
		}
	}
	for _, form := range world.References {
		prefix := `"docker-reference":"` + form[:strings.IndexByte(form, '%')]
		found := false
		for payload := range forms {
			found = found || strings.Contains(payload, prefix+"kube") || strings.Contains(payload, prefix+"conf")
		}
		if !found {
			t.Errorf("no signature with a docker-reference like %s", form)
		}
	}
}

func TestForgedSignaturesDoNotVerify(t *testing.T) {
	built := world.New(world.Options{})
	tr := trusted(t, built)
	foreign := world.NewSigstore("somebody else")
	const ref = "kube-proxy:" + v
	for name, how := range map[string]world.Signing{
		"identity":    {Identity: "krel-trust@k8s-releng-prod.iam.gserviceaccount.com.evil.example"},
		"issuer":      {Issuer: "https://token.actions.githubusercontent.com"},
		"ca":          {CA: foreign},
		"ct":          {CT: foreign},
		"log":         {Log: foreign},
		"no SCT":      {NoSCT: true},
		"no log":      {NoLog: true},
		"digest":      {Digest: "sha256:" + strings.Repeat("0", 64)},
		"late":        {LogTime: world.Signed2023.Add(time.Hour)},
		"early":       {LogTime: world.Signed2023.Add(-time.Hour)},
		"before root": {Time: world.Opened.AddDate(-1, 0, 0)},
	} {
		w := built.Clone()
		w.SignAs(ref, how)
		if payloads, errs := cosignVerify(t, w, tr, "kube-proxy", w.Digest(ref), world.KrelTrust); len(payloads) != 0 || len(errs) != 1 {
			t.Errorf("%s: %d verified: %v", name, len(payloads), errs)
		}
	}
	w := built.Clone()
	w.SignAs(ref, world.Signing{}, world.Signing{Reference: "registry.k8s.io/kube-scheduler"})
	if payloads, errs := cosignVerify(t, w, tr, "kube-proxy", w.Digest(ref), world.KrelTrust); len(payloads) != 2 {
		t.Errorf("the world's own authority: %v", errs)
	}
}

func verifyBundle(tr *root.TrustedRoot, raw, artifact []byte) error {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return err
	}
	sv, err := verify.NewVerifier(tr, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithIntegratedTimestamps(1))
	if err != nil {
		return err
	}
	id, err := verify.NewShortCertificateIdentity(world.Google, "", world.KrelStage, "")
	if err != nil {
		return err
	}
	_, err = sv.Verify(&b, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), verify.WithCertificateIdentity(id)))
	return err
}

func TestFilesVerifyWithSigstoreGo(t *testing.T) {
	w := world.New(world.Options{})
	tr := trusted(t, w)
	for _, url := range []string{world.SBOMURL(v), world.FileURL(v, "bin/linux/arm64/kubectl"), world.FileURL(v, "kubernetes.tar.gz")} {
		s := w.SignedFile(url)
		if s == nil {
			t.Fatalf("%s is not signed", url)
		}
		artifact := body(t, w, url)
		for _, version := range []string{"0.1", "0.3"} {
			if err := verifyBundle(tr, s.Bundle(version), artifact); err != nil {
				t.Errorf("%s, bundle %s: %v", url, version, err)
			}
		}
		if err := verifyBundle(tr, s.Bundle("0.3"), append(artifact, 'x')); err == nil {
			t.Errorf("%s: another artifact verifies", url)
		}
		if got := body(t, w, url+".sig"); !bytes.Equal(got, s.SigFile()) {
			t.Errorf("%s.sig: %s", url, got)
		}
	}
}

// What a verifier does online: hash, search, entry, bundle.
func TestRekorLookUp(t *testing.T) {
	w := world.New(world.Options{})
	post := func(url string, in, out any) {
		t.Helper()
		b, _ := json.Marshal(in)
		resp, err := (&http.Client{Transport: w}).Post(url, "application/json", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	s := w.SignedFile(world.SBOMURL(v))
	var ids []string
	w.SetIndex(world.IndexWorks)
	post(world.RekorSearchURL, map[string]string{"hash": "sha256:" + s.Entry.Hash}, &ids)
	if len(ids) != 1 || ids[0] != s.Entry.UUID() {
		t.Fatalf("found %q", ids)
	}
	for _, id := range []string{ids[0], ids[0][16:]} {
		var entries []map[string]struct {
			Body         string `json:"body"`
			LogIndex     int64  `json:"logIndex"`
			Verification struct {
				SET   []byte `json:"signedEntryTimestamp"`
				Proof struct {
					RootHash string `json:"rootHash"`
					TreeSize int64  `json:"treeSize"`
				} `json:"inclusionProof"`
			} `json:"verification"`
		}
		post(world.RekorEntriesURL, map[string]any{"entryUUIDs": []string{id}}, &entries)
		if len(entries) != 1 {
			t.Fatalf("%d entries", len(entries))
		}
		e := entries[0][ids[0]]
		if e.Body != base64.StdEncoding.EncodeToString(s.Entry.Body) || e.LogIndex != s.Entry.LogIndex() || !bytes.Equal(e.Verification.SET, s.Entry.SET) || e.Verification.Proof.TreeSize < 100 {
			t.Errorf("entry %+v", e)
		}
	}
	post(world.RekorSearchURL, map[string]string{"hash": "sha256:" + strings.Repeat("0", 64)}, &ids)
	if len(ids) != 0 {
		t.Errorf("found %q", ids)
	}
}

func TestSBOMReads(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.24.0", v}})
	for version, images := range map[string]int{v: 20, "v1.24.0": 25} {
		doc, err := tagvalue.Read(bytes.NewReader(body(t, w, world.SBOMURL(version))))
		if err != nil {
			t.Fatal(err)
		}
		if doc.DocumentName != "Kubernetes Release "+version {
			t.Errorf("%s: %s", version, doc.DocumentName)
		}
		got := 0
		for _, p := range doc.Packages {
			if strings.HasSuffix(string(p.PackageSPDXIdentifier), version) {
				got++
			}
		}
		if got != images {
			t.Errorf("%s: %d images", version, got)
		}
	}
}

func TestManifestsAreConsistent(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.24.0", v, "v1.28.2"}})
	for _, version := range w.Versions() {
		names, tags := w.Images(version)
		for i, name := range names {
			checkImage(t, w, version, name, tags[i])
		}
	}
	if n, _ := w.Images("v1.28.2"); len(n) != 9 || n[5] != "kubectl" {
		t.Errorf("v1.28.2 has %s", n)
	}
	if a := w.Arches("v1.24.0"); len(a) != 5 {
		t.Errorf("v1.24.0 has %s", a)
	}
}

type ociDescriptor struct {
	Digest   string `json:"digest"`
	Size     int    `json:"size"`
	Platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	} `json:"platform"`
}

func checkImage(t *testing.T, w *world.World, version, name, tag string) {
	t.Helper()
	list, ok := w.Manifest(name + ":" + tag)
	if !ok || bytes.HasSuffix(list.Body, []byte("\n")) || !bytes.HasPrefix(list.Body, []byte("{\n   \"schemaVersion\"")) {
		t.Fatalf("%s:%s: odd list %.60q", name, tag, list.Body)
	}
	var index struct{ Manifests []ociDescriptor }
	if err := json.Unmarshal(list.Body, &index); err != nil {
		t.Fatal(err)
	}
	for _, d := range index.Manifests {
		m := body(t, w, world.ManifestURL(name+"@"+d.Digest))
		if (world.Manifest{Body: m}).Digest() != d.Digest || len(m) != d.Size {
			t.Errorf("%s: child %s is not what the list says", name, d.Digest)
		}
		if tag == version && w.Digest(name+"-"+d.Platform.Architecture+":"+tag) != d.Digest {
			t.Errorf("%s-%s has another digest", name, d.Platform.Architecture)
		}
		var image struct {
			Config ociDescriptor
			Layers []ociDescriptor
		}
		if err := json.Unmarshal(m, &image); err != nil {
			t.Fatal(err)
		}
		for _, d := range append(image.Layers, image.Config) {
			if b := body(t, w, world.BlobURL(name, d.Digest)); (world.Manifest{Body: b}).Digest() != d.Digest || len(b) != d.Size {
				t.Errorf("%s: blob %s", name, d.Digest)
			}
		}
	}
}

func TestEveryAddressAnswers(t *testing.T) {
	w := world.New(world.Options{})
	sbom := w.File(world.SBOMURL(v))
	for _, url := range []string{
		"https://sbom.k8s.io/v1.27.2/release", "https://dl.k8s.io/v1.27.2/kubernetes-release.spdx",
		"https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", "https://cdn.dl.k8s.io/release/v1.27.2/kubernetes-release.spdx",
		world.Elsewhere(world.SBOMURL(v)),
	} {
		if !bytes.Equal(body(t, w, url), sbom) {
			t.Errorf("%s is another document", url)
		}
	}
	for _, url := range []string{
		"https://dl.k8s.io/release/stable.txt", "https://dl.k8s.io/release/stable-1.txt", "https://dl.k8s.io/release/stable-1.27.txt", "https://dl.k8s.io/release/latest.txt",
	} {
		if got := body(t, w, url); string(got) != v {
			t.Errorf("%s: %q", url, got)
		}
	}
	for _, suffix := range []string{"", ".sig", ".cert", ".sha256", ".sha512"} {
		body(t, w, world.SBOMURL(v)+suffix)
		body(t, w, "https://sbom.k8s.io/v1.27.2/source"+suffix)
		body(t, w, world.FileURL(v, "bin/linux/amd64/kubectl")+suffix)
	}
	for _, url := range []string{
		world.ChangelogURL(v), world.ScheduleURL, world.EndOfLifeURL, world.FileURL(v, "SHA256SUMS"), world.FileURL(v, "provenance.json"),
		world.PromotionURL("k8s-staging-kubernetes"), world.PromotionURL("k8s-staging-etcd"), world.PromotionURL("k8s-staging-coredns"),
		"https://registry.k8s.io/v2/", "https://registry.k8s.io/v2/kube-proxy/tags/list",
	} {
		body(t, w, url)
	}
	resp, err := w.RoundTrip(mustRequest("https://dl.k8s.io/v1.27.2/kubernetes.tar.gz"))
	if err != nil || resp.StatusCode != http.StatusFound || resp.ContentLength != 138 {
		t.Errorf("dl.k8s.io: %v %v", resp, err)
	}
	if err := resp.TLS.VerifiedChains[0][0].VerifyHostname("dl.k8s.io"); err != nil {
		t.Error(err)
	}
	if _, err := w.RoundTrip(mustRequest("https://nowhere.example/")); err == nil {
		t.Error("an unknown host answers")
	}
	if n := w.Count("https://sbom.k8s.io/*"); n != 11 {
		t.Errorf("%d requests counted", n)
	}
}

func mustRequest(url string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	return r
}

func TestClonesAreApart(t *testing.T) {
	a := world.New(world.Options{})
	b := a.Clone()
	b.Tag("kube-proxy:"+v, "sha256:"+strings.Repeat("0", 64))
	b.PutFile(world.SBOMURL(v), []byte("x"))
	b.SignAs("kube-scheduler:"+v, world.Signing{Identity: "nobody@example.com"})
	b.Status("https://dl.k8s.io/*", 500)
	c := world.New(world.Options{})
	for _, w := range []*world.World{a, c} {
		checkImage(t, w, v, "kube-proxy", v)
		body(t, w, world.FileURL(v, "kubernetes.tar.gz"))
		if len(w.File(world.SBOMURL(v))) < 1000 {
			t.Error("an attack on a clone reached the original")
		}
	}
	if !bytes.Equal(a.TrustedRootJSON(), b.TrustedRootJSON()) {
		t.Error("a clone has another root")
	}
	if bytes.Equal(a.TrustedRootJSON(), world.New(world.Options{Seed: "other"}).TrustedRootJSON()) {
		t.Error("another seed has the same root")
	}
}

func Example() {
	w := world.New(world.Options{})
	w.Status(world.SBOMURL("v1.27.2"), http.StatusTooManyRequests).Times(1)

	client := &http.Client{Transport: w}
	for range 2 {
		resp, err := client.Get("https://sbom.k8s.io/v1.27.2/release")
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fmt.Println(resp.Status)
	}
	// Output:
	// 429 Too Many Requests
	// 200 OK
}
