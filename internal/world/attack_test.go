package world_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// try returns what a plain client gets to see.
func try(w http.RoundTripper, url string) (status int, b []byte, err error) {
	resp, err := (&http.Client{Transport: w}).Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, b, err
}

func TestFaults(t *testing.T) {
	built := world.New(world.Options{})
	url := world.SBOMURL(v)
	whole := built.File(url)
	var opErr *net.OpError
	for name, c := range map[string]struct {
		attack func(w *world.World)
		want   func(status int, b []byte, err error) bool
	}{
		"tamper":       {func(w *world.World) { w.Tamper(url, func(b []byte) []byte { return append(b, '!') }) }, func(s int, b []byte, err error) bool { return len(b) == len(whole)+1 && err == nil }},
		"tamper at":    {func(w *world.World) { w.FlipBit("https://dl.k8s.io/v1.27.2/kubernetes-release.spdx") }, func(s int, b []byte, err error) bool { return len(b) == len(whole) && !bytes.Equal(b, whole) }},
		"tamper all":   {func(w *world.World) { w.FlipBit("https://*/kubernetes-release.spdx") }, func(s int, b []byte, err error) bool { return len(b) == len(whole) && !bytes.Equal(b, whole) }},
		"status":       {func(w *world.World) { w.Status(url, 500) }, func(s int, b []byte, err error) bool { return s == 500 }},
		"elsewhere":    {func(w *world.World) { w.Status("https://dl.k8s.io/other", 500) }, func(s int, b []byte, err error) bool { return bytes.Equal(b, whole) }},
		"twice":        {func(w *world.World) { w.Status(url, 500).Times(0) }, func(s int, b []byte, err error) bool { return s == 200 }},
		"after":        {func(w *world.World) { w.Status(url, 500).After(1) }, func(s int, b []byte, err error) bool { return s == 200 }},
		"html":         {func(w *world.World) { w.HTML("https://dl.k8s.io/*") }, func(s int, b []byte, err error) bool { return s == 200 && bytes.Contains(b, []byte("<html>")) }},
		"truncate":     {func(w *world.World) { w.Truncate(url, 100) }, func(s int, b []byte, err error) bool { return len(b) == 100 && errors.Is(err, io.ErrUnexpectedEOF) }},
		"shorten":      {func(w *world.World) { w.Shorten(url, 100) }, func(s int, b []byte, err error) bool { return len(b) == 100 && err == nil }},
		"reset":        {func(w *world.World) { w.Reset(url, 100) }, func(s int, b []byte, err error) bool { return len(b) == 100 && errors.As(err, &opErr) }},
		"refuse":       {func(w *world.World) { w.Refuse("https://sbom.k8s.io/*") }, func(s int, b []byte, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		"no such host": {func(w *world.World) { w.NoSuchHost("https://sbom.k8s.io/*") }, func(s int, b []byte, err error) bool { var d *net.DNSError; return errors.As(err, &d) && d.IsNotFound }},
		"file":         {func(w *world.World) { w.Redirect(url, "file:///etc/passwd") }, func(s int, b []byte, err error) bool { return err != nil }},
		"http":         {func(w *world.World) { w.Redirect(url, "http://cdn.dl.k8s.io/release/v1.27.2/kubernetes-release.spdx") }, func(s int, b []byte, err error) bool { return bytes.Equal(b, whole) }},
		"abroad":       {func(w *world.World) { w.RedirectAbroad("https://dl.k8s.io/*") }, func(s int, b []byte, err error) bool { return bytes.Equal(b, whole) }},
		"huge":         {func(w *world.World) { w.HugeBody(url, 300_000) }, func(s int, b []byte, err error) bool { return len(b) == 300_000 && err == nil }},
		"endless":      {func(w *world.World) { w.EndlessBody(url) }, func(s int, b []byte, err error) bool { return len(b) == 1<<20 }},
		"calm":         {func(w *world.World) { w.Status("*://*", 500); w.Calm() }, func(s int, b []byte, err error) bool { return s == 200 }},
	} {
		w := built.Clone()
		c.attack(w)
		if status, b, err := try(w.Clone(), url); !c.want(status, b, err) {
			t.Errorf("%s: status %d, %d bytes, error %v", name, status, len(b), err)
		}
		if status, _, err := try(w, world.ChangelogURL(v)); status != 200 && name != "calm" {
			t.Errorf("%s reached another document: %d %v", name, status, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	w := world.New(world.Options{})
	resp := get(t, w, world.Elsewhere(world.SBOMURL(v)))
	if err := resp.TLS.VerifiedChains[0][0].VerifyHostname(world.HostForeign); err != nil {
		t.Error(err)
	}
	if resp.TLS.VerifiedChains[0][0].VerifyHostname("evil2.example") == nil {
		t.Error("a certificate for every name")
	}
	if resp := get(t, w, "http://raw.githubusercontent.com/kubernetes/website/main/data/releases/eol.yaml"); resp.TLS != nil {
		t.Error("TLS over plain http")
	}
	w.Distrust(world.HostRaw)
	if resp := get(t, w, world.EndOfLifeURL); resp.TLS == nil || len(resp.TLS.VerifiedChains) != 0 {
		t.Error("a distrusted host has a verified chain")
	}
}

func TestRegistryWithToken(t *testing.T) {
	w := world.New(world.Options{})
	w.RequireToken(true)
	url := world.ManifestURL("kube-proxy:" + v)
	resp := get(t, w, url)
	if c := resp.Header.Get("Www-Authenticate"); resp.StatusCode != 401 || !strings.Contains(c, `realm="https://registry.k8s.io/token"`) || !strings.Contains(c, "repository:kube-proxy:pull") {
		t.Fatalf("%s %q", resp.Status, c)
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(body(t, w, "https://registry.k8s.io/token?service=registry.k8s.io"), &answer); err != nil {
		t.Fatal(err)
	}
	r := mustRequest(url)
	r.Header.Set("Authorization", "Bearer "+answer.Token)
	resp, err := w.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || !strings.Contains(resp.Header.Get("Location"), "?rid=") {
		t.Errorf("%v %v", resp, err)
	}
	status, _, _ := try(w, world.ManifestURL("kube-proxy@"+w.Digest("kube-proxy:"+v)))
	if status != 401 {
		t.Errorf("without a token: %d", status)
	}
	w.RequireToken(false)
	sig := w.Digest("kube-proxy:" + strings.Replace(w.Digest("kube-proxy:"+v), ":", "-", 1) + ".sig")
	if status, _, _ := try(w, world.ManifestURL("kube-proxy@"+sig)); status != 404 {
		t.Errorf("a signature by digest: %d", status)
	}
	if status, _, _ := try(w, "https://registry.k8s.io/v2/kube-proxy/referrers/"+sig); status != 404 {
		t.Errorf("referrers: %d", status)
	}
	w.HaveReferrers(true)
	if b := body(t, w, "https://registry.k8s.io/v2/kube-proxy/referrers/"+sig); !bytes.Contains(b, []byte(`"manifests":[]`)) {
		t.Errorf("referrers: %s", b)
	}
}

func TestServeAs(t *testing.T) {
	const old = "v1.27.1"
	w := world.New(world.Options{})
	tr := trusted(t, w)
	oldSBOM, oldProxy, newProxy := w.File(world.SBOMURL(old)), w.Digest("kube-proxy:"+old), w.Digest("kube-proxy:"+v)
	w.ServeAs(old, v)
	if w.Digest("kube-proxy:"+v) != oldProxy || w.Digest("kube-proxy-s390x:"+v) != w.Digest("kube-proxy-s390x:"+old) {
		t.Error("not the old image")
	}
	checkImage(t, w, v, "kube-proxy", v)
	if payloads, errs := cosignVerify(t, w, tr, "kube-proxy", oldProxy, world.KrelTrust); len(payloads) != 1 {
		t.Errorf("the replay must have genuine signatures: %v", errs)
	}
	if got := body(t, w, world.SBOMURL(v)); !bytes.Equal(got, oldSBOM) {
		t.Error("not the old SBOM")
	}
	if err := verifyBundle(tr, w.SignedFile(world.SBOMURL(v)).Bundle("0.3"), oldSBOM); err != nil {
		t.Error(err)
	}
	promotion := string(body(t, w, world.PromotionURL("k8s-staging-kubernetes")))
	if strings.Contains(promotion, newProxy) || !strings.Contains(promotion, `"`+oldProxy+`": ["v1.27.2"]`) {
		t.Error("promotion manifest not changed")
	}
	if log := body(t, w, world.ChangelogURL(v)); bytes.Count(log, body(t, w, world.FileURL(old, "kubernetes.tar.gz.sha512"))) != 2 {
		t.Error("CHANGELOG not changed")
	}

	w = world.New(world.Options{})
	w.ServeAs(old, v, "kube-scheduler")
	if w.Digest("kube-proxy:"+v) != newProxy || w.Digest("kube-scheduler:"+v) != w.Digest("kube-scheduler:"+old) {
		t.Error("one image: the wrong ones")
	}
}

func TestSwaps(t *testing.T) {
	built := world.New(world.Options{})
	tr := trusted(t, built)
	w := built.Clone()
	w.SwapImage(v, "kube-scheduler", "kube-proxy")
	checkImage(t, w, v, "kube-scheduler", v)
	if payloads, _ := cosignVerify(t, w, tr, "kube-scheduler", w.Digest("kube-scheduler:"+v), world.KrelTrust); len(payloads) != 1 || !strings.Contains(payloads[0], "kube-proxy") {
		t.Errorf("signatures did not come along: %q", payloads)
	}

	w = built.Clone()
	w.SwapArch(v, "kube-proxy", "amd64", "arm64")
	if w.Digest("kube-proxy-amd64:"+v) != w.Digest("kube-proxy-arm64:"+v) || w.Digest("kube-proxy:"+v) != built.Digest("kube-proxy:"+v) {
		t.Error("SwapArch")
	}
	if payloads, _ := cosignVerify(t, w, tr, "kube-proxy-amd64", w.Digest("kube-proxy-amd64:"+v), world.KrelTrust); len(payloads) != 1 {
		t.Error("SwapArch: no signature")
	}

	w = built.Clone()
	digest := w.SwapArchInList(v, "kube-proxy", "amd64", "arm64")
	m, _ := w.Manifest("kube-proxy:" + v)
	if m.Digest() != digest || digest == built.Digest("kube-proxy:"+v) || strings.Count(string(m.Body), w.Digest("kube-proxy-arm64:"+v)) != 2 {
		t.Errorf("SwapArchInList: %s", m.Body)
	}
	if payloads, errs := cosignVerify(t, w, tr, "kube-proxy", digest, world.KrelTrust); len(payloads) != 0 || len(errs) != 2 {
		t.Error("a copied signature verifies")
	}
}

func TestDrops(t *testing.T) {
	built := world.New(world.Options{})
	w := built.Clone()
	w.DropImage(v, "kube-proxy")
	listed := func(w *world.World, what string) (in []string) {
		for name, url := range map[string]string{"SBOM": world.SBOMURL(v), "CHANGELOG": world.ChangelogURL(v), "promotion": world.PromotionURL("k8s-staging-kubernetes")} {
			if bytes.Contains(body(t, w, url), []byte(what)) {
				in = append(in, name)
			}
		}
		return in
	}
	if in := listed(w, "registry.k8s.io-kube-proxy-"); len(in) != 0 {
		t.Errorf("still in %s", in)
	}
	if in := listed(w, "registry.k8s.io/kube-proxy:v1.27.2"); len(in) != 0 {
		t.Errorf("still in %s", in)
	}
	if in := listed(w, built.Digest("kube-proxy:"+v)); len(in) != 0 {
		t.Errorf("still in %s", in)
	}
	if len(listed(w, "registry.k8s.io/kube-scheduler:v1.27.2")) == 0 || len(listed(w, "registry.k8s.io/kube-proxy:v1.27.1")) == 0 {
		t.Error("too much dropped")
	}
	if status, _, _ := try(w, world.ManifestURL("kube-proxy-amd64:"+v)); status != 404 {
		t.Errorf("registry: %d", status)
	}
	if w.SignedFile(world.SBOMURL(v)) != nil {
		t.Error("a changed SBOM has a signature")
	}
	w.SignFile(world.SBOMURL(v), world.Signing{})
	if err := verifyBundle(trusted(t, w), w.SignedFile(world.SBOMURL(v)).Bundle("0.3"), w.File(world.SBOMURL(v))); err != nil {
		t.Errorf("signed again: %v", err)
	}

	w = built.Clone()
	w.DropPlatform(v, "kube-proxy", "s390x")
	if in := listed(w, "kube-proxy-s390x-v1.27.2"); len(in) != 0 {
		t.Errorf("still in %s", in)
	}
	if m, _ := w.Manifest("kube-proxy:" + v); bytes.Contains(m.Body, []byte("s390x")) || !bytes.Contains(m.Body, []byte("ppc64le")) {
		t.Errorf("list: %s", m.Body)
	}
	checkImage(t, w, v, "kube-proxy", v)
	w.DropSignature("kube-scheduler:" + v)
	if status, _, _ := try(w, world.SignatureURL("kube-scheduler", w.Digest("kube-scheduler:"+v))); status != 404 {
		t.Errorf("signature: %d", status)
	}
}

func TestChangeConfig(t *testing.T) {
	built := world.New(world.Options{})
	tr := trusted(t, built)
	evil := func(b []byte) []byte {
		return bytes.Replace(b, []byte("/usr/local/bin/kube-proxy"), []byte("/bin/evil"), 1)
	}
	for _, how := range []world.Rehash{world.InPlace, world.Upward, world.UpwardSigned, world.UpwardPromoted} {
		w := built.Clone()
		child, list := w.ChangeConfig(v, "kube-proxy", "arm64", how, evil)
		if changed := list != built.Digest("kube-proxy:"+v); changed != (how != world.InPlace) {
			t.Errorf("%d: list %s", how, list)
		}
		if how == world.InPlace {
			continue
		}
		checkImage(t, w, v, "kube-proxy", v)
		if child != w.Digest("kube-proxy-arm64:"+v) || list != w.Digest("kube-proxy:"+v) {
			t.Errorf("%d: tags do not follow", how)
		}
		status, _, _ := try(w, world.SignatureURL("kube-proxy-arm64", child))
		if (status == 200) != (how >= world.UpwardSigned) {
			t.Errorf("%d: signature %d", how, status)
		}
		if how == world.UpwardSigned {
			if payloads, _ := cosignVerify(t, w, tr, "kube-proxy", list, world.KrelTrust); len(payloads) != 0 {
				t.Error("a copied signature verifies")
			}
		}
		if promoted := bytes.Contains(body(t, w, world.PromotionURL("k8s-staging-kubernetes")), []byte(child)); promoted != (how == world.UpwardPromoted) {
			t.Errorf("%d: promotion manifest", how)
		}
	}
	w := built.Clone()
	w.ChangeLayer(v, "kube-proxy", "arm64", world.Upward, []byte("evil"))
	checkImage(t, w, v, "kube-proxy", v)
	w.SignAs("kube-proxy:"+v, world.Signing{Identity: world.KrelStage}, world.Signing{})
	if payloads, errs := cosignVerify(t, w, tr, "kube-proxy", w.Digest("kube-proxy:"+v), world.KrelTrust); len(payloads) != 1 {
		t.Error(errs)
	}
}

func TestServer(t *testing.T) {
	w := world.New(world.Options{})
	s, err := w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	transport := s.Transport()
	defer transport.CloseIdleConnections()
	url := world.SBOMURL(v)
	resp := get(t, transport, url)
	b, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(b, w.File(url)) || resp.ProtoMajor != 2 {
		t.Errorf("%s, %d bytes, %v", resp.Proto, len(b), err)
	}
	if err := resp.TLS.VerifiedChains[0][0].VerifyHostname(world.HostCDN); err != nil {
		t.Error(err)
	}
	for name, attack := range map[string]func(){
		"truncate": func() { w.Truncate(url, 100) },
		"reset":    func() { w.Reset(url, 100) },
		"refuse":   func() { w.Refuse(url) },
	} {
		w.Calm()
		attack()
		if _, _, err := try(transport, url); err == nil {
			t.Errorf("%s over TLS: no error", name)
		}
	}
	w.Calm()
	w.EndlessBody(url)
	if _, b, _ := try(transport, url); len(b) != 1<<20 {
		t.Errorf("endless: %d bytes", len(b))
	}
	w.Calm()
	w.SetRoundTrip(20 * time.Millisecond)
	start := time.Now()
	body(t, transport, world.ManifestURL("kube-proxy:"+v))
	if d := time.Since(start); d < 40*time.Millisecond {
		t.Errorf("two requests took %v", d)
	}

	proxy, stop, err := s.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	through := s.Transport()
	through.DialContext = nil
	through.Proxy = http.ProxyURL(proxy)
	defer through.CloseIdleConnections()
	if got := body(t, through, "https://dl.k8s.io/release/stable.txt"); string(got) != v {
		t.Errorf("through the proxy: %q", got)
	}
}

func TestRange(t *testing.T) {
	w := world.New(world.Options{})
	r := mustRequest("https://cdn.dl.k8s.io/release/v1.27.2/kubernetes.tar.gz")
	r.Header.Set("Range", "bytes=100-")
	resp, err := w.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 206 || !bytes.Equal(b, w.File(r.URL.String())[100:]) {
		t.Errorf("%s %s", resp.Status, resp.Header.Get("Content-Range"))
	}
}

func TestManyAtOnce(t *testing.T) {
	w := world.New(world.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range []string{"kube-proxy", "kube-scheduler"} {
				try(w, world.ManifestURL(name+":"+v))
				w.SignAs(name+":"+v, world.Signing{})
				try(w, world.RekorSearchURL)
				w.Clone().DropImage(v, name)
			}
			w.SignedFile(world.SBOMURL(v)).Bundle("0.3")
		})
	}
	wg.Wait()
	checkImage(t, w, v, "kube-proxy", v)
}
