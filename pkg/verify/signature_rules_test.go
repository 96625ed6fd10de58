package verify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"

// signedLayer is a layer of a ".sig" manifest, and the payload that it is of; nil is not shelved.
type signedLayer struct {
	descriptor doc
	payload    []byte
}

// signatures makes the layers that the tests below name, each of kube-proxy of digest 1 where
// its name does not say otherwise.
type signatures struct {
	t     testing.TB
	by    *world.Sigstore
	other *world.Sigstore
	made  map[string]signedLayer
}

func newSignatures(t testing.TB) *signatures {
	return &signatures{t, world.NewSigstore("signs"), world.NewSigstore("a stranger"), map[string]signedLayer{}}
}

func (s *signatures) root() *trust.Root {
	root, err := trust.ParseRoot(s.by.TrustedRootJSON())
	if err != nil {
		s.t.Fatal(err)
	}
	return root
}

func payloadFor(reference string, digest oci.Digest, optional string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":%s}`, reference, digest, optional)
}

// layer is the one of that name. A number behind a name makes one of its own with that payload.
func (s *signatures) layer(name string) signedLayer {
	if l, ok := s.made[name]; ok {
		return l
	}
	what, n, _ := strings.Cut(name, "#")
	payload, how := payloadFor("registry.k8s.io/kube-proxy", hashOf("1"), "null"), world.Signing{}
	in22 := time.Date(2022, 11, 10, 0, 0, 0, 0, time.UTC)
	for _, word := range strings.Split(what, ", ") {
		switch word {
		case "good", "broken", "swapped", "odd entry", "odd certificate", "lost":
		case "misnamed":
			payload = payloadFor("registry.k8s.io/kube-scheduler", hashOf("1"), "null")
		case "of arm64":
			payload = payloadFor("registry.k8s.io/kube-proxy-arm64", hashOf("1"), "null")
		case "of another":
			payload = payloadFor("registry.k8s.io/kube-proxy", hashOf("9"), "null")
		case "unusual":
			payload = payloadFor("registry.k8s.io/kube-proxy", hashOf("1"), `{"x":1}`)
		case "no payload":
			payload = []byte("{}")
		case "forged":
			how.NoSCT = true
		case "stranger's":
			how.CA = s.other
		case "in a stranger's log":
			how.Log = s.other
		case "unlogged":
			how.NoLog = true
		case "staging":
			how.Identity = world.KrelStage
		case "mallory":
			how.Identity = "mallory@example.com"
		case "former":
			how.Identity, how.Time = world.Promoter22, in22
		case "former, too late":
			how.Identity, how.Time = world.Promoter22, in22.AddDate(0, 1, 0)
		case "too late":
			how.Time = in22.AddDate(0, 1, 0)
		default:
			s.t.Fatalf("no %q", word)
		}
	}
	if n != "" {
		payload = payloadFor("registry.k8s.io/kube-proxy", hashOf("9"), `"`+n+`"`)
	}
	signed := s.by.Sign(payload, how)
	annotations := signed.Annotations()
	l := signedLayer{doc{"mediaType": simpleSigning, "digest": string(oci.DigestOf(payload)), "size": len(payload), "annotations": annotations}, payload}
	switch what {
	case "broken":
		l.descriptor["mediaType"] = "text/plain"
	case "swapped":
		how.Time = in22
		annotations["dev.sigstore.cosign/bundle"] = s.by.Sign(payload, how).Annotations()["dev.sigstore.cosign/bundle"]
	case "odd certificate":
		annotations["dev.sigstore.cosign/bundle"] = otherCertificate(s.t, annotations["dev.sigstore.cosign/bundle"])
	case "odd entry":
		annotations["dev.sigstore.cosign/bundle"] = "{"
	case "lost":
		l.payload = nil
		l.descriptor["digest"] = string(hashOf("7"))
	}
	if n != "" { // one signature serves for all of them: what it is of is read first
		annotations = s.layer("good").descriptor["annotations"].(map[string]string)
		l.descriptor["annotations"] = annotations
	}
	s.made[name] = l
	return l
}

// otherCertificate is a log entry whose certificate is none.
func otherCertificate(t testing.TB, bundle string) string {
	var b struct {
		SignedEntryTimestamp []byte
		Payload              doc
	}
	var body doc
	if err := json.Unmarshal([]byte(bundle), &b); err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(b.Payload["body"].(string))
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	body["spec"].(doc)["signature"].(doc)["publicKey"] = doc{"content": "eA=="}
	raw, _ = json.Marshal(body)
	b.Payload["body"] = raw
	out, _ := json.Marshal(b)
	return string(out)
}

// shelve puts a ".sig" manifest of these layers for digest 1 on a shelf: "good", "3*forged",
// "70*#" for as many of payloads of their own.
func (s *signatures) shelve(to *shelf, repository string, layers ...string) {
	var list []any
	for _, name := range layers {
		n := 1
		if count, rest, ok := strings.Cut(name, "*"); ok {
			_, _ = fmt.Sscan(count, &n)
			name = rest
		}
		for i := range n {
			of := name
			if name == "#" {
				of = fmt.Sprintf("good#%d", i)
			}
			l := s.layer(of)
			list = append(list, l.descriptor)
			if l.payload != nil {
				to.put(repository, "blobs/", "application/octet-stream", l.payload)
			}
		}
	}
	m := doc{"schemaVersion": 2, "mediaType": registry.OCIManifest, "config": shelfDescriptor("x", []byte("{}")), "layers": list}
	to.put(repository, "manifests/"+hashOf("1").SignatureTag(), registry.OCIManifest, m)
}

// both is what was found of a signature, in a line.
func both(s signed) string { return said(s.signature) + " / " + said(s.reference) }

// Rules 14, 15, 17 and 19: one signature that satisfies every rule is enough, whatever lies beside it. Where
// none does, one that is false outweighs one that is not known, and one that is genuine
// and of another name tells it. No more are verified, or payloads read, than promised.
func TestWhatSignaturesDecide(t *testing.T) {
	made := newSignatures(t)
	root := made.root()
	const (
		good     = "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z / verified: signed as registry.k8s.io/kube-proxy"
		former   = "verified: signed by k8s-infra-gcr-promoter, logged 2022-11-10T00:00:01Z / verified: signed as registry.k8s.io/kube-proxy"
		misnamed = "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z / refuted mismatch: signed as \"registry.k8s.io/kube-scheduler\", which is not a name of kube-proxy"
		nothing  = " / unknown noClaim: no signature verified"
		forged   = "refuted forged: a signature that claims to be by krel-trust does not verify: "
		limit    = "unknown limit: more signatures by krel-trust at registry.k8s.io/kube-proxy:sha256-1111"
		unlogged = "unknown absent: a signature by krel-trust has no log entry beside it"
		another  = "refuted mismatch: a signature by krel-trust is for another digest"
	)
	list := func(names ...string) []string { return names }
	for _, tt := range []struct {
		layers []string
		want   string
	}{
		{list("good"), good},
		{list("unusual"), good},
		{list("broken"), "unknown malformed: none of the 1 layers at registry.k8s.io/kube-proxy:sha256-1111"},
		{list(), "unknown malformed: none of the 0 layers at"},
		{list("broken", "good"), good},
		{list("staging", "good"), good},
		{list("staging", "mallory", "broken", "staging"), `unknown untrusted: no krel-trust signature among the 4 at registry.k8s.io/kube-proxy:`},
		{list("staging"), `unknown untrusted: no krel-trust signature among the 1 at`},
		{list("unlogged"), unlogged},
		{list("unlogged", "good"), good},
		{list("good", "unlogged"), good},
		{list("odd entry"), "unknown malformed: a signature by krel-trust cannot be read: "},
		{list("odd entry", "good"), good},
		{list("odd certificate"), "unknown malformed: a signature by krel-trust: log entry: "},
		{list("odd certificate", "good"), good},
		{list("no payload"), "unknown malformed: the payload of a signature by krel-trust cannot be read: "},
		{list("no payload", "good"), good},
		{list("lost"), "unknown absent: "},
		{list("lost", "good"), good},
		{list("of another"), another},
		{list("of another", "good"), good},
		{list("forged"), forged},
		{list("forged", "good"), good},
		{list("good", "forged"), good},
		{list("swapped"), "refuted forged: a signature by krel-trust: "},
		{list("swapped", "good"), good},
		{list("stranger's"), "unknown untrusted: a signature by krel-trust comes from "},
		{list("stranger's", "good"), good},
		{list("in a stranger's log"), "unknown untrusted: a signature by krel-trust was logged by "},
		{list("in a stranger's log", "good"), good},
		// A contradiction over a lack, and the first of its kind.
		{list("unlogged", "forged"), forged},
		{list("forged", "unlogged"), forged},
		{list("forged", "of another"), forged},
		{list("of another", "forged"), another},
		{list("unlogged", "stranger's"), unlogged},
		{list("staging", "unlogged", "broken"), unlogged},
		// Of another name: told only by one that is genuine, if none of this name holds.
		{list("misnamed"), misnamed},
		{list("of arm64"), "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z / refuted mismatch: signed as \"registry.k8s.io/kube-proxy-arm64\""},
		{list("misnamed", "of arm64"), misnamed},
		{list("misnamed", "good"), good},
		{list("good", "misnamed"), good},
		{list("misnamed", "unlogged"), misnamed},
		{list("forged", "misnamed"), misnamed},
		{list("misnamed", "staging", "broken"), misnamed},
		{list("misnamed, forged"), forged},
		{list("misnamed, forged", "misnamed"), misnamed},
		{list("misnamed, stranger's", "misnamed, forged"), forged},
		{list("misnamed, stranger's", "unlogged"), unlogged},
		// Sixteen are verified, and those that cannot be do not count.
		{list("15*forged", "good"), good},
		{list("16*forged", "good"), limit},
		{list("16*forged"), forged},
		{list("17*forged"), limit},
		{list("16*in a stranger's log", "16*swapped", "good"), good},
		{list("17*forged", "lost"), limit},
		{list("16*forged", "unlogged"), forged},
		{list("15*forged", "misnamed"), misnamed},
		{list("16*forged", "misnamed"), limit},
		{list("15*misnamed, forged", "misnamed"), misnamed},
		{list("16*misnamed, forged", "misnamed"), limit},
		{list("17*forged", "misnamed"), limit},
		{list("20*misnamed", "good"), good},
		// Sixty-four payloads are read, each once.
		{list("63*#", "unusual"), good},
		{list("64*#", "unusual"), limit},
		{list("64*#"), another},
		{list("64*#", "good"), good}, // which is known without being read
		{list("70*of another", "unusual"), good},
		{list("65*#", "misnamed"), limit},
		// Rule 18: digest 1 is in the catalogue.
		{list("former"), former},
		{list("former, too late"), "unknown untrusted: a signature by k8s-infra-gcr-promoter was logged 2022-12-10T00:00:01Z, and counts from 2022-10-28 to 2022-11-30 only"},
		{list("former, forged"), "refuted forged: a signature that claims to be by k8s-infra-gcr-promoter does not verify: "},
		{list("former, too late", "good"), good},
		{list("former, unlogged"), "unknown absent: a signature by k8s-infra-gcr-promoter has no log entry"},
	} {
		s, r := shelfOf(t)
		v := &Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: root, Catalogue: rowsOf(t, "kube-proxy v1.25.4 "+trust.IndexRow+" 1")}
		r, err := v.newRun()
		if err != nil {
			t.Fatal(err)
		}
		made.shelve(s, "kube-proxy", tt.layers...)
		got := r.imageSignature(t.Context(), "kube-proxy", hashOf("1"), "kube-proxy", "")
		want := tt.want
		if !strings.HasPrefix(both(got), want) || !strings.Contains(want, " / ") && !strings.HasSuffix(both(got), nothing) {
			t.Errorf("%q: %s, want %s", tt.layers, both(got), want)
		}
		if len(tt.layers) == 4 && !strings.Contains(both(got), `("mallory@example.com", krel-staging); promotion may be`) {
			t.Errorf("%q: others are %s", tt.layers, both(got))
		}
		m := s.has["kube-proxy/manifests/"+hashOf("1").SignatureTag()]
		if got.absent || got.at.String() != "registry.k8s.io/kube-proxy:"+hashOf("1").SignatureTag() || got.manifest != oci.DigestOf(m.body) || got.mediaType != registry.OCIManifest || got.size != int64(len(m.body)) {
			t.Errorf("%q: read from %s %s, %d bytes of %s", tt.layers, got.at, got.manifest, got.size, got.mediaType)
		}
		if e := got.signature.Evidence.All(); len(e) == 0 || got.holds() != (len(e) == 2) && !strings.HasPrefix(want, misnamed[:20]) || got.signature.Name != report.Signature || got.reference.Name != report.Reference {
			t.Errorf("%q: evidence %+v", tt.layers, e)
		}
		if e := got.reference.Evidence.All(); (got.signature.Verdict == report.Verified) != (len(e) == 1 && strings.Contains(both(got), e[0].Fields[report.FieldReference])) {
			t.Errorf("%q: evidence of the reference %+v", tt.layers, e)
		}
	}
}

// Rule 19: however many there are, sixteen are verified, and sixty-four payloads read; and what the
// signer's tool adds to one is known of the next.
func TestWhatSignaturesCost(t *testing.T) {
	made := newSignatures(t)
	root := made.root()
	for _, tt := range []struct {
		layers            []string
		verified, fetched int
	}{
		{[]string{"good"}, 1, 0},
		{[]string{"unusual"}, 1, 1},
		{[]string{"misnamed", "of arm64", "misnamed, forged"}, 1, 2},
		{[]string{"20*forged", "20*misnamed, forged"}, 16, 1},
		{[]string{"20*misnamed, forged"}, 16, 1},
		{[]string{"70*#"}, 0, 64},
		{[]string{"70*of another"}, 0, 1},
	} {
		s, r := shelfOf(t)
		r, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: root}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		made.shelve(s, "kube-proxy", tt.layers...)
		m, err := r.registry.Manifest(t.Context(), r.signatureRef("kube-proxy", hashOf("1")))
		if err != nil {
			t.Fatal(err)
		}
		look := &search{run: r, from: r.sources()[0], repository: "kube-proxy", digest: hashOf("1"), name: "kube-proxy", payloads: map[oci.Digest][]byte{}}
		look.through(t.Context(), m)
		if look.verified != tt.verified || look.fetched != tt.fetched {
			t.Errorf("%q: %d are verified, %d payloads read", tt.layers, look.verified, look.fetched)
		}
		next := payloadFor("registry.k8s.io/kube-proxy", hashOf("5"), `{"x":1}`)
		if known := r.payloads.Rebuild(oci.DigestOf(next), hashOf("5"), []string{"registry.k8s.io/kube-proxy"}) != nil; known != (tt.layers[0] == "unusual") {
			t.Errorf("%q: the next payload is known: %v", tt.layers, known)
		}
	}
}
