package verify_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

var update = flag.Bool("update", false, "write docs/attacks.md anew; with KVERIFY_COSIGN=PROGRAM measure cosign too")

const (
	attacksPage = "../../docs/attacks.md"
	cosignSaid  = "testdata/cosign.json" // by attack; measured, since not everybody has cosign
)

// matrixRow is one attack of the table in docs/attacks.md.
type matrixRow struct {
	name, rule string
	image      string // what is verified, and what cosign is asked about
	require    []string
	catalogued bool // judged with the catalogue of the world as it was, of which nothing was published to us
	do         func(w *world.World)

	ref     func(w *world.World) string // asked for alone, if not nil; chosen before the attack
	asked   string                      // what it chose
	carried bool                        // everything was carried here
	standIn *world.StandIn              // answers for the registry
}

// byCheck is the rule of the proof that an attack on a check tries, where no
// other is named below. The numbers are those of docs/trust.md.
var byCheck = map[string]string{"": "1", report.Inventory: "2", report.Digest: "20", report.Signature: "14",
	report.Reference: "17", report.Binding: "8", report.Staging: "14", report.Promotion: "11", report.VSA: "14", report.Provenance: "14"}

var byName = map[string]string{
	"sign under another CA": "15", "log in another log": "15", "SCT of another CT log": "15", "no log entry": "15",
	"certificate expired when it was logged": "15", "logged before the certificate was valid": "15", "log entry of another signature": "15",
	"promotion: a record of a foreign CA": "15", "promotion: a record logged after its certificate": "15",
	"promotion: a proof, and nothing that says when": "15", "promotion: a time of its own beside the proof": "15",
	"promotion: a timestamp by a foreign authority": "15", "promotion: a timestamp after the certificate": "15",
	"promotion: a second timestamp after the certificate": "15", "promotion: a timestamp of another signature": "15",
	"promotion: a log of that name that the root does not know": "15",
	"hundreds of signatures of the right name":                  "19", "a signature manifest beyond its cap": "19", "a log entry whose body is no string": "19",
	"the SBOM of v1.27.1": "9", "tamper with the SBOM": "9", "an SBOM signed by nobody in particular": "9",
	"change a config, every digest, signatures and the promotion manifest": "13",
	"429": "1", "500": "1", "403": "1", "404": "1", "a web page for a manifest": "1", "a web page for the SBOM": "1", "a web page for the CHANGELOG": "2",
	"cut in half": "1", "cut in half, and the length with it": "1", "reset in mid-body": "1", "connection refused": "1", "no such host": "1",
	"an endless manifest": "1", "an endless SBOM": "1", "the signature cannot be had": "1", "redirect to file:": "7", "the log cannot be reached": "16",
}

// scheduler28 is an image of a release whose attacks are on the contents of images.
const scheduler28 = "kube-scheduler:" + withKubectl

func matrix(t testing.TB) (rows []matrixRow) {
	for _, a := range attacks {
		image, _, _ := strings.Cut(a.subject, " ")
		if !strings.Contains(image, ":") || strings.Contains(image, "/") {
			image = proxy
		}
		rule := byName[a.name]
		if rule == "" {
			rule = byCheck[a.check]
		}
		rows = append(rows, matrixRow{name: a.name, rule: rule, image: image, do: a.do})
	}
	both := edited(func(list object, manifests []any) []any {
		list["config"], list["layers"] = manifests[0], []any{}
		return manifests
	})
	urls := edited(func(_ object, manifests []any) []any {
		manifests[0].(object)["urls"] = []string{"https://example.com/"}
		return manifests
	})
	for _, r := range []matrixRow{
		{name: "a descriptor with urls, signed", rule: "22", do: func(w *world.World) { plant(w, version, "kube-proxy", urls) }},
		{name: "an index that is a manifest too, signed", rule: "22", do: func(w *world.World) { plant(w, version, "kube-proxy", both) }},
		{name: "an index with a key twice, signed", rule: "22", do: func(w *world.World) {
			plant(w, version, "kube-proxy", replace(`"manifests"`, `"manifests": [], "manifests"`))
		}},
		{name: "an index of an unknown media type", rule: "22", do: func(w *world.World) {
			w.Header(proxy, "Content-Type", "application/vnd.example.index+json")
		}},
		{name: "a Content-Type that says otherwise", rule: "22", do: func(w *world.World) {
			w.Header(proxy, "Content-Type", "application/vnd.oci.image.index.v1+json")
		}},
		{name: "a mock release: all signed by krel-staging", rule: "9", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Identity: world.KrelStage})
			w.SignFile(world.SBOMURL(version), world.Signing{Identity: world.KrelStage})
		}},
		{name: "the identity of 2022, for a digest that is in no catalogue", rule: "18", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Identity: world.Promoter22, Time: time.Date(2022, 11, 10, 0, 0, 0, 0, time.UTC)})
		}},
		{name: "another file's SBOM signature", rule: "10", do: func(w *world.World) {
			for _, s := range []string{".sig", ".cert"} {
				w.PutFile(world.SBOMURL(version)+s, w.File(world.SBOMURL("v1.27.1")+s))
			}
		}},
		{name: "a log look-up that floods", rule: "16", do: func(w *world.World) {
			w.Tamper(world.RekorEntriesURL, func([]byte) []byte {
				return []byte("[" + strings.TrimSuffix(strings.Repeat(`{"`+strings.Repeat("0", 80)+`":{}},`, 15000), ",") + "]")
			})
		}},
		{name: "a log that answers with another entry", rule: "16", do: func(w *world.World) {
			mine, other := w.SignedFile(world.SBOMURL(version)).Entry, w.SignedFile(world.SBOMURL("v1.27.1")).Entry
			w.Tamper(world.RekorEntriesURL, func(b []byte) []byte {
				b64 := base64.StdEncoding.EncodeToString
				return bytes.ReplaceAll(b, []byte(b64(mine.Body)), []byte(b64(other.Body)))
			})
		}},
		{name: "docker-reference in capitals", rule: "17", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Reference: "registry.k8s.io/Kube-Proxy"})
		}},
		{name: "docker-reference with a tag", rule: "17", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Reference: "registry.k8s.io/kube-proxy:v1.27.2"})
		}},
		{name: "the staging docker-reference under krel-trust", rule: "17", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Reference: "gcr.io/k8s-staging-kubernetes/kube-proxy"})
		}},
		{name: "the CHANGELOG of another release", rule: "2", do: func(w *world.World) {
			w.DropImage(version, "kube-proxy")
			w.ServeAs("v1.27.1", version, world.Changelog)
		}},
	} {
		r.image = proxy
		rows = append(rows, r)
	}
	const old = "v1.27.1"
	for _, r := range []matrixRow{
		{name: "an older image in a mirror, with every list, and no signed SBOM", rule: "12", do: func(w *world.World) {
			w.ServeAs(old, version, world.AllImages, world.Promotion, world.Changelog)
			w.Status(world.SBOMURL(version)+"*", 404)
		}},
		{name: "a catalogued image without its signature", rule: "12", do: func(w *world.World) { w.DropSignature(proxy) }},
		{name: "a catalogued image with another config, signed by krel-trust", rule: "12", do: func(w *world.World) {
			w.ChangeConfig(version, "kube-proxy", "arm64", world.UpwardPromoted, entrypoint)
			w.SignAs(proxy, world.Signing{})
			w.SignAs("kube-proxy-arm64:"+version, world.Signing{})
		}},
		{name: "the identity of 2022 a day after its weeks, for a catalogued digest", rule: "18", do: func(w *world.World) {
			at := time.Date(2022, 12, 1, 0, 0, 0, 0, time.UTC)
			w.SignAs(proxy, world.Signing{Identity: world.Promoter22, Time: at, LogTime: at})
		}},
		{name: "an identity like that of 2022, for a catalogued digest", rule: "18", do: func(w *world.World) {
			w.SignAs(proxy, world.Signing{Identity: "k8s-infra-gcr-promoter@k8s-artifacts-prod-2.iam.gserviceaccount.com", Time: time.Date(2022, 11, 10, 0, 0, 0, 0, time.UTC)})
		}},
		{name: "a child of another release, for a catalogued one", rule: "21", do: func(w *world.World) {
			w.Tag("kube-proxy-arm64:"+version, w.Digest("kube-proxy-arm64:"+old))
		}},
	} {
		r.image, r.catalogued = proxy, true
		rows = append(rows, r)
	}
	rows = append(rows, referenceRows()...)
	for _, a := range contentsAttacks() {
		if a.want != report.Verified {
			rows = append(rows, matrixRow{name: "contents: " + a.name, rule: "10", image: scheduler28, require: []string{report.Contents}, do: func(w *world.World) {
				w.SetLayers(withKubectl, "kube-scheduler", "arm64", a.layers(w)...)
			}})
		}
	}
	for _, a := range classAttacks(t) {
		if a.want != report.Verified {
			rows = append(rows, matrixRow{name: a.class + ": " + a.name, rule: cmp.Or(byName[a.class+": "+a.name], byCheck[a.class]), image: modernProxy, require: a.requires(), do: a.do})
		}
	}
	return rows
}

// judged runs kverify on an attacked world and returns the decisive check.
func (r matrixRow) judged(t testing.TB, w *world.World, genuine *trust.Catalogue) (report.Verdict, report.Check) {
	t.Helper()
	v := verifier(t, w)
	v.Require = r.require
	if r.standIn != nil {
		v = atStandIn(t, w, *r.standIn)
	}
	if r.carried {
		v.Fetch.Transport = carried(w)
	}
	if r.catalogued {
		v.Catalogue, v.Fetch.Transport = genuine, carried(w)
	}
	var rep report.Report
	var err error
	switch {
	case r.asked != "":
		ref, parseErr := registry.ParseRef("registry.k8s.io/" + r.asked)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		rep, err = v.References(t.Context(), []registry.Ref{ref})
	case r.image == scheduler28:
		rep = contentsOf(t, w, "kube-scheduler")
	case r.image == modernProxy:
		rep, err = v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
	default:
		rep, err = v.Images(t.Context(), request(t, version))
	}
	if err != nil {
		t.Fatal(err)
	}
	verdict := rep.Verdict()
	for _, res := range rep.Results {
		for _, c := range res.Checks {
			if c.Required && c.Verdict == verdict && c.Verdict != report.Verified {
				return verdict, c
			}
		}
	}
	return verdict, report.Check{}
}

// TestAttackMatrix holds docs/attacks.md to what really happens: every attack
// ends in refuted or unknown, and the page says so in the program's own words.
func TestAttackMatrix(t *testing.T) {
	old, recent := world.New(world.Options{}), world.New(world.Options{Versions: []string{modern}})
	kubectl, genuine := world.New(world.Options{Versions: []string{withKubectl}}), catalogueOf(t, old)
	said := map[string]string{}
	if b, err := os.ReadFile(cosignSaid); err == nil {
		if err := json.Unmarshal(b, &said); err != nil {
			t.Fatal(err)
		}
	}
	program := os.Getenv("KVERIFY_COSIGN")
	var page bytes.Buffer
	page.WriteString(pageHead)
	rows, rules := matrix(t), map[string]bool{}
	for i, r := range rows {
		w := old.Clone()
		switch r.image {
		case modernProxy:
			w = recent.Clone()
		case scheduler28:
			w = kubectl.Clone()
		}
		if r.ref != nil {
			r.asked = r.ref(w)
		}
		r.do(w)
		verdict, c := r.judged(t, w, genuine)
		if verdict == report.Verified {
			t.Errorf("%s: verified", r.name)
		}
		if *update && program != "" {
			said[r.name] = askCosign(t, program, w, "registry.k8s.io/"+r.image, r.image == modernProxy)
		}
		rules[r.rule] = true
		fmt.Fprintf(&page, "| %d | %s | %s | %s | %s: %s | %s |\n", i+1, cell(r.name, 90), r.rule, verdict, c.Name, cell(c.Detail, 170), cell(said[r.name], 110))
	}
	if len(rows) < 80 {
		t.Errorf("%d attacks, want at least 80", len(rows))
	}
	if *update {
		b, _ := json.MarshalIndent(said, "", "\t")
		for path, text := range map[string][]byte{attacksPage: page.Bytes(), cosignSaid: append(b, '\n')} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if b, err := os.ReadFile(attacksPage); err != nil || !bytes.Equal(b, page.Bytes()) {
		t.Errorf("docs/attacks.md is not what happens (%v); run go test ./pkg/verify -run TestAttackMatrix -update", err)
	}
}

const pageHead = `# Attacks

Generated by ` + "`go test ./pkg/verify -run TestAttackMatrix -update`" + `: each row is run against a made-up
release with the forms and signatures of a real one, and fails the build if it ends in verified
or in other words than these. *Rule* is the number in [trust.md](trust.md). The last column is what
` + "`cosign verify`" + ` (v2.6.5, with the exact identity and issuer, as the Kubernetes documentation tells)
says to the same bytes of the image in question, run as a program of its own against the same world;
where bundles refer to the image it is given the trusted root too, and then judges those bundles alone.
It answers another question (who signed this digest), so that "accepts" is not a fault of it: it is what
remains to be proved. Attacks on the command line (a trusted root inside the mirror, a policy that
loosens) are scripts in ` + "`cmd/kverify/testdata`" + `; those on bundles are in ` + "`pkg/verify/artifact_test.go`" + `
and, by the names of Sigstore's conformance suite, in ` + "`pkg/verify/conformance_test.go`" + `; those on
` + "`trust update`" + ` are in ` + "`pkg/trust/update_test.go`" + `.

| # | attack | rule | verdict | what kverify says | cosign verify |
| --- | --- | --- | --- | --- | --- |
`

// local are addresses and numbers that differ from run to run.
var local = regexp.MustCompile(`127\.0\.0\.1:[0-9]+|rid=[0-9a-f]+`)

func cell(s string, limit int) string {
	s = local.ReplaceAllString(strings.Join(strings.Fields(s), " "), "…")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\x00", "").Replace(s)
}

// askCosign runs the real program, which takes the world for the internet. Where
// bundles refer to the image it looks at those alone, and wants the trusted root
// in a file.
func askCosign(t testing.TB, program string, w *world.World, image string, bundles bool) string {
	t.Helper()
	s, err := w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	proxyURL, stop, err := s.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sig := w.Sigstore()
	key := func(k any) []byte {
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args := []string{"verify", "--offline", "--certificate-identity", world.KrelTrust, "--certificate-oidc-issuer", world.Google, image}
	if bundles {
		args = append(args, "--trusted-root", file("root.json", w.TrustedRootJSON()))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "HTTPS_PROXY=" + proxyURL.String(),
		"SSL_CERT_FILE=" + file("ca.pem", world.CAPEM()),
		"SIGSTORE_ROOT_FILE=" + file("fulcio.pem", sig.ChainPEM()),
		"SIGSTORE_REKOR_PUBLIC_KEY=" + file("rekor.pub", key(&sig.LogKey.PublicKey)),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + file("ct.pub", key(&sig.CTKey.PublicKey))}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "does not end within 30 s"
	case err == nil:
		return "**accepts**"
	case !errors.As(err, &exit):
		t.Fatal(err)
	}
	text := stderr.String()
	if _, crash, ok := strings.Cut(text, "panic:"); ok {
		crash, _, _ = strings.Cut(crash, "\ngoroutine")
		return "crashes: panic:" + crash
	}
	if i := strings.LastIndex(text, "main.go"); i > 0 {
		text = text[:i]
	}
	text = strings.TrimPrefix(text, "WARNING: ")
	if _, after, ok := strings.Cut(text, "Error: "); ok {
		text = after
	}
	// Of several signatures it tells in no order.
	head, rest, _ := strings.Cut(text, "no matching signatures: ")
	if head == "" {
		rest, _, _ = strings.Cut(rest, "error during command")
		lines := strings.Split(strings.TrimSpace(rest), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		slices.Sort(lines)
		text = "no matching signatures: " + strings.Join(lines, "; ")
	}
	return "refuses: " + text
}
