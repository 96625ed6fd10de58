package verify_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// genuine is a form in which Kubernetes itself publishes. Whatever is done
// against forgers, these stay verified. docs/signatures.md lists them.
type genuine struct {
	name    string
	version string
	do      func(w *world.World)
	require []string // the classes that must be found
	one     string   // verify this image alone; the whole release if empty
}

func genuineForms() []genuine {
	none := func(*world.World) {}
	children := func(v string) func(w *world.World) { // the index is signed, and nothing below it
		return func(w *world.World) {
			names, _ := w.Images(v)
			for _, name := range names {
				for _, arch := range w.Arches(v) {
					if ref := name + "-" + arch + ":" + v; has(w, ref) {
						w.DropSignature(ref)
					}
				}
			}
		}
	}
	layers := func(before, after int) func(w *world.World) {
		return func(w *world.World) {
			stage := world.Signing{Identity: world.KrelStage, Reference: "gcr.io/k8s-staging-kubernetes/kube-proxy"}
			var how []world.Signing
			for range before {
				how = append(how, stage)
			}
			how = append(how, world.Signing{})
			for range after {
				how = append(how, stage)
			}
			w.SignAs(proxy, how...)
		}
	}
	// A record in a bundle of a version, as a referrer alone.
	record := func(version string, how world.Signing) func(w *world.World) {
		return func(w *world.World) {
			w.DropReferrers(modernProxy)
			statement := world.Statement(world.PredicatePromotion, world.PromotionRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy))
			w.PutReferrer(modernProxy, world.PredicatePromotion, w.Sigstore().Attest(statement, how).Bundle(version))
		}
	}
	then := func(steps ...func(*world.World)) func(*world.World) {
		return func(w *world.World) {
			for _, s := range steps {
				s(w)
			}
		}
	}
	tagged := func(w *world.World) { w.TagReferrers(modernProxy) }
	promotion, all := []string{report.Promotion}, []string{report.Staging, report.Promotion, report.VSA, report.Provenance}
	list := []genuine{
		{"a release of before May 2023", version, none, nil, ""},
		{"an index without signatures on its children", version, children(version), nil, ""},
		{"the same, of a release whose children were signed in the index's repository", "v1.28.2", children("v1.28.2"), nil, ""},
		{"five architectures, arm among them", "v1.26.0", none, nil, ""},
		{"a release of before file signing, bound by what its publisher serves", "v1.24.0", none, nil, ""},
		{"one signature", version, func(w *world.World) { w.SignAs(proxy, world.Signing{}) }, nil, ""},
		{"two layers: staging, then promoted", version, layers(1, 0), nil, ""},
		{"two layers: promoted, then staging", version, layers(0, 1), nil, ""},
		{"fifty layers, the promoted one last", version, layers(49, 0), nil, ""},
		{"fifty layers, the promoted one first", version, layers(0, 49), nil, ""},
		{"the promoted signature, twice", version, func(w *world.World) { w.SignAs(proxy, world.Signing{}, world.Signing{}) }, nil, ""},
		{"children of platform unknown/unknown", version, func(w *world.World) { plant(w, version, "kube-proxy", withUnknown(w)) }, nil, ""},
		{"layers that stand twice in an image, in the SBOM once or as an empty file", version, func(w *world.World) {
			if !bytes.Contains(w.File(world.SBOMURL(version)), []byte("SHA256: e3b0c44298fc1c14")) {
				panic("the world's SBOM has no repeated layer")
			}
		}, nil, ""},
		{"every class there is", modern, none, all, ""},
		{"every class, by the fallback tag", modern, func(w *world.World) {
			for _, name := range []string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl"} {
				w.TagReferrers(name + ":" + modern)
			}
		}, []string{report.Promotion, report.VSA, report.Provenance}, ""},
		{"a bundle of version 0.1: the log's promise alone", modern, record("0.1", world.Signing{}), promotion, modernProxy},
		{"0.2: promise and proof, in a chain", modern, record("0.2", world.Signing{}), promotion, modernProxy},
		{"0.3: promise and proof", modern, record("0.3", world.Signing{}), promotion, modernProxy},
		{"0.3 under its older media type", modern, record("0.3+json", world.Signing{}), promotion, modernProxy},
		{"0.3 with a timestamp beside the promise", modern, record("0.3", world.Signing{Stamps: []world.Stamp{{}}}), promotion, modernProxy},
		{"0.3 in the newer log: a proof and a timestamp", modern, record("0.3", world.Signing{Tiled: true}), promotion, modernProxy},
		{"the same, the authority's certificate in the timestamp", modern, record("0.3", world.Signing{Tiled: true, Stamps: []world.Stamp{{Embed: true}}}), promotion, modernProxy},
		{"an envelope logged as intoto", modern, record("0.3", world.Signing{Intoto: true}), promotion, modernProxy},
		{"0.1 by the fallback tag", modern, then(record("0.1", world.Signing{}), tagged), promotion, modernProxy},
		{"0.2 by the fallback tag", modern, then(record("0.2", world.Signing{}), tagged), promotion, modernProxy},
		{"0.3 by the fallback tag", modern, then(record("0.3", world.Signing{}), tagged), promotion, modernProxy},
		{"the newer log by the fallback tag", modern, then(record("0.3", world.Signing{Tiled: true}), tagged), promotion, modernProxy},
		{"a referrer that nobody can read, beside the good one", modern, func(w *world.World) {
			w.PutReferrer(modernProxy, "https://example.com/p", []byte(`{"mediaType":"x"}`))
		}, []string{report.Promotion, report.VSA}, modernProxy},
		{"referrers that nobody asked about, and a registry that refuses to list them", modern, func(w *world.World) {
			w.Status("https://registry.k8s.io/v2/kube-proxy/referrers/*", 403)
		}, nil, modernProxy},
	}
	for _, form := range trust.EmbeddedPolicy().References("kube-proxy", "") {
		list = append(list, genuine{"docker-reference " + form, version, func(w *world.World) { w.SignAs(proxy, world.Signing{Reference: form}) }, nil, proxy})
	}
	return list
}

func has(w *world.World, ref string) bool {
	_, ok := w.Manifest(ref)
	return ok
}

// withUnknown appends a child of no platform to an index, as build tools do with
// what they attest.
func withUnknown(w *world.World) func([]byte) []byte {
	config, layer := w.PutBlob([]byte(`{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)), w.PutBlob([]byte("{}"))
	body, _ := json.Marshal(object{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": len(w.Blob(config))},
		"layers": []any{object{"mediaType": "application/vnd.in-toto+json", "digest": layer, "size": 2}}})
	digest := w.PutManifest("kube-proxy", world.Manifest{MediaType: "application/vnd.oci.image.manifest.v1+json", Body: body})
	return edited(func(_ object, manifests []any) []any {
		return append(manifests, object{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(body),
			"platform": object{"architecture": "unknown", "os": "unknown"}, "annotations": object{"vnd.docker.reference.type": "attestation-manifest"}})
	})
}

func TestGenuineFormsStayVerified(t *testing.T) {
	built := map[string]*world.World{}
	for _, g := range genuineForms() {
		t.Run(g.name, func(t *testing.T) {
			w, ok := built[g.version]
			if !ok {
				versions := []string{g.version}
				if g.version == version {
					versions = nil
				}
				w = world.New(world.Options{Versions: versions})
				built[g.version] = w
			}
			w = w.Clone()
			g.do(w)
			v := verifier(t, w)
			v.Require = g.require
			var rep report.Report
			var err error
			if g.one != "" {
				name, tag, _ := strings.Cut(g.one, ":")
				rep, err = v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: name, Tag: tag}})
			} else {
				rep, err = v.Images(t.Context(), request(t, g.version))
			}
			if err != nil || rep.Verdict() != report.Verified {
				t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
			}
			for _, class := range g.require {
				found := false
				for _, res := range rep.Results {
					c, ok := res.Check(class)
					found = found || ok && c.Verdict == report.Verified
				}
				if !found {
					t.Errorf("nothing verified as %s", class)
				}
			}
		})
	}
}
