package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
)

// pairFiles writes a certificate with its key, each to a file.
func pairFiles(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestAClientCertificateIsShownToNamedHostsOnly holds that no published host
// sees it, whatever else is mapped, and not the target of a redirect either.
func TestAClientCertificateIsShownToNamedHostsOnly(t *testing.T) {
	var mu sync.Mutex
	shown := map[string]bool{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		shown[r.Host] = shown[r.Host] || len(r.TLS.PeerCertificates) > 0
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://"+world.HostBlobs+"/x", http.StatusFound)
		}
	}))
	s.TLS = world.New(world.Options{ImagesOnly: true}).TLSConfig()
	s.TLS.ClientAuth = tls.RequestClientCert
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, world.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := pairFiles(t)
	set := &Settings{Endpoints: map[string]*url.URL{
		"registry.k8s.io": {Scheme: "https", Host: world.HostForeign}, "sbom.k8s.io": {Scheme: "https", Host: world.HostDL},
	}}
	var err error
	if set.own, err = (OwnTLS{caFile: ca, clientCert: cert, clientKey: key}).read(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := set.liveOptions(set.standIns()...)
	o.Connections.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	o.Connections.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	c := &fetch.Client{Transport: fetch.NewLive(o)}
	for _, host := range []string{world.HostForeign, world.HostDL, world.HostSBOM, world.HostRegistry, world.HostRekor} {
		for _, path := range []string{"/a", "/away"} {
			resp, err := c.Get(t.Context(), "https://"+host+path, 0)
			if err != nil || resp.Origin != fetch.Carried { // the authority is the flag's
				t.Errorf("%s%s: %v %v", host, path, resp, err)
			}
		}
	}
	for host, saw := range shown {
		if saw != (host == world.HostForeign) {
			t.Errorf("%s was shown it: %v", host, saw)
		}
	}
}

func TestFilesOfOnesOwn(t *testing.T) {
	cert, key := pairFiles(t)
	other, _ := pairFiles(t)
	for _, tt := range []struct {
		o    OwnTLS
		says string
	}{
		{OwnTLS{clientCert: cert}, "go together"},
		{OwnTLS{clientKey: key}, "go together"},
		{OwnTLS{clientCert: other, clientKey: key}, "does not match"},
		{OwnTLS{clientCert: key, clientKey: key}, "PEM"},
		{OwnTLS{caFile: key}, "something else than certificates"},
		{OwnTLS{caFile: cert + ".absent"}, "no such file"},
	} {
		if _, err := tt.o.read(t.Context()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v; want %q", tt.o, err, tt.says)
		}
	}
}

// TestNetrc holds which entry is of a host, and that none is of whatever host.
func TestNetrc(t *testing.T) {
	const text = `# machine h.example login comment password no
machine other.example login o password o
machine h.example
	login "u ser"
	password p#w
macdef init
machine h2.example login macro password no

machine h2.example password "q\"x" account a login v
machine port.example:8443 login w password r
default login anybody password hunter2
machine last.example login z`
	for host, want := range map[string]string{"h.example": "u ser p#w", "H.example": "u ser p#w", "h2.example": `v q"x`, "port.example": " ", "port.example:8443": "w r",
		"sub.h.example": " ", "last.example": "z ", "nowhere.example": " "} {
		name, _, _ := strings.Cut(host, ":")
		if user, password := netrc(text, name, host); user+" "+password != want {
			t.Errorf("%s: %q %q, want %q", host, user, password, want)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login u password p", "h")
	f.Add("default login u\nmachine \"h\" macdef x\n\n", "h")
	f.Fuzz(func(t *testing.T, text, host string) {
		if user, _ := netrc(text, host); user != "" && !strings.Contains(strings.ToLower(strings.NewReplacer(`\`, "", `"`, "").Replace(text)), strings.ToLower(strings.NewReplacer(`\`, "", `"`, "").Replace(host))) {
			t.Errorf("%q is of no %q", user, host)
		}
	})
}

// TestWhereCredentialsAreReadFrom holds the order of "help environment".
func TestWhereCredentialsAreReadFrom(t *testing.T) {
	home := t.TempDir()
	write := func(rel, user string) string {
		path := filepath.Join(home, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(`{"auths":{"h.example":{"username":"`+user+`","password":"p"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HOME", home)
	env := map[string]string{"HOME": home, "XDG_RUNTIME_DIR": filepath.Join(home, "run")}
	a := &App{Getenv: func(k string) string { return env[k] }}
	who := func() string {
		c, err := a.Keychain(t.Context()).Credentials(t.Context(), registry.Target{Host: "h.example", Repository: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return c.Username
	}
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{func() { write(".config/containers/auth.json", "config") }, "config"},
		{func() { write("run/containers/auth.json", "run") }, "run"},
		{func() { write(".docker/config.json", "docker") }, "docker"},
		{func() { env["REGISTRY_AUTH_FILE"] = write("podman.json", "podman") }, "podman"},
		{func() { env["DOCKER_CONFIG"] = filepath.Join(home, "absent") }, "podman"},
		{func() { env["DOCKER_CONFIG"] = filepath.Dir(write("secret/.dockerconfigjson", "secret")) }, "secret"},
		{func() { write("secret/config.json", "named") }, "named"},
		{func() { env["DOCKER_CONFIG"] = write("file.json", "file") }, "file"},
		{func() { env["DOCKER_AUTH_CONFIG"] = `{"auths":{"h.example":{"username":"text","password":"p"}}}` }, "text"},
		{func() { env["DOCKER_AUTH_CONFIG"] = `{"auths":{"other.example":{"username":"text","password":"p"}}}` }, "file"},
	}
	for i, s := range steps {
		s.do()
		if got := who(); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
	}
}
