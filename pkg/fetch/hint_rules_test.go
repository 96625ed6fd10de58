package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestHintsStepByStep holds what to do after each cause that can be told, and else after each kind.
func TestHintsStepByStep(t *testing.T) {
	alert := func(code uint8) error {
		return &net.OpError{Op: "remote error", Err: tls.AlertError(code)}
	}
	record := func(begin string) error {
		var e tls.RecordHeaderError
		copy(e.RecordHeader[:], begin)
		return e
	}
	const nothing = ""
	for name, tt := range map[string]struct {
		e    Error
		want string
	}{
		"nothing is known":           {Error{Kind: Cancelled}, nothing},
		"a kind":                     {Error{Kind: BadRedirect}, "check the server or the --endpoint"},
		"a kind, and a cause":        {Error{Kind: Unreachable, Err: errors.New("reset")}, "check the network"},
		"an authority":               {Error{Err: x509.UnknownAuthorityError{}}, hintCA},
		"another name":               {Error{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}, "a name that its certificate has"},
		"expired":                    {Error{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "clock"},
		"invalid in another way":     {Error{Err: x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}}, "made anew"},
		"plain HTTP":                 {Error{Err: http.ErrSchemeMismatch}, hintHTTP},
		"plain HTTP, as bytes":       {Error{Err: record("HTTP/")}, hintHTTP},
		"no TLS":                     {Error{Err: record("SSH-2")}, "it does not speak TLS there"},
		"TLS to plain HTTP":          {Error{Err: errors.New(`malformed HTTP response "\x15\x03\x01"`)}, hintTLS},
		"not HTTP":                   {Error{Err: errors.New(`malformed HTTP response "SSH-2"`)}, "check the network"},
		"it wants a certificate":     {Error{Err: alert(116)}, "it requires a client certificate"},
		"it knows no certificate":    {Error{Err: alert(42)}, "it requires a client certificate"},
		"not that certificate":       {Error{Err: alert(43)}, "it does not accept the client certificate"},
		"not that authority's":       {Error{Err: alert(48)}, "it does not accept the client certificate"},
		"no way of TLS":              {Error{Err: alert(40)}, "no way of TLS suits both sides"},
		"another alert":              {Error{Err: alert(80)}, "check the network"},
		"an alert without a cause":   {Error{Err: &net.OpError{Op: "remote error"}}, "check the network"},
		"no alert":                   {Error{Err: &net.OpError{Op: "dial", Err: tls.AlertError(116)}}, "check the network"},
		"a proxy that asks":          {Error{Err: &proxyError{status: 407}}, hintProxy},
		"a proxy that refuses":       {Error{Err: &proxyError{status: 403}}, "check what the proxy allows"},
		"all is full":                {Error{Kind: TooLarge, Err: ErrFull}, "ask for fewer at once"},
		"too large":                  {Error{Kind: TooLarge, Err: errors.New("x")}, "this is not the document"},
		"status 407":                 {Error{Kind: BadStatus, Status: 407}, hintProxy},
		"status 412":                 {Error{Kind: BadStatus, Status: 412}, "a setting of the registry's project"},
		"status 415":                 {Error{Kind: BadStatus, Status: 415}, "this media type"},
		"status 400":                 {Error{Kind: BadStatus, Status: 400, Body: []byte("bad request")}, "check the URL"},
		"status 400 of Go":           {Error{Kind: BadStatus, Status: 400, Body: []byte("Client sent an HTTP request to an HTTPS server.")}, hintTLS},
		"status 400 of nginx":        {Error{Kind: BadStatus, Status: 400, Body: []byte("The plain HTTP request was sent to HTTPS port")}, hintTLS},
		"status 400 of Apache":       {Error{Kind: BadStatus, Status: 400, Body: []byte("you're speaking plain HTTP to an SSL-enabled server port")}, hintTLS},
		"status 404 of such":         {Error{Kind: NotFound, Status: 404, Body: []byte("Client sent an HTTP request to an HTTPS server.")}, "check that the name"},
		"of a mirror":                {Error{Kind: NotFound, Mirror: "m"}, "kverify mirror show m"},
		"of a mirror, not reached":   {Error{Kind: Unreachable, Mirror: "m"}, "kverify mirror show m"},
		"of a mirror, cut":           {Error{Kind: Truncated, Mirror: "m"}, "nothing was kept; try again"},
		"kept":                       {Error{Kind: Unreachable, KeptBytes: 7}, "check the network and proxy settings, or use a mirror (--mirror DIR); 7 bytes are kept, and the next run continues from there"},
		"kept of what was cut":       {Error{Kind: Truncated, KeptBytes: 7}, "7 bytes are kept: try again, and the download continues from there"},
		"kept of what was cancelled": {Error{Kind: Cancelled, KeptBytes: 7}, "7 bytes are kept: try again, and the download continues from there"},
		"kept, and a cause":          {Error{Kind: Unreachable, KeptBytes: 7, Err: x509.UnknownAuthorityError{}}, hintCA + "; 7 bytes are kept"},
	} {
		if tt.e.Err != nil {
			tt.e.Err = fmt.Errorf("x: %w", tt.e.Err)
		}
		if got := tt.e.hint(); !strings.Contains(got, tt.want) || (got == "") != (tt.want == nothing) || tt.e.KeptBytes == 0 && strings.Contains(got, "are kept") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestTheBottomOfALiveTransport holds to whom a client certificate is shown: to hosts that the user
// named, and to none that is published on.
func TestTheBottomOfALiveTransport(t *testing.T) {
	network := tripper(nil)
	if got, ok := networkOf(LiveOptions{Network: network, Connections: Options{Identity: &Identity{}}}, []string{"a.example"}).(tripper); !ok || got != nil {
		t.Error("another network was made")
	}
	if got, ok := networkOf(LiveOptions{}, []string{"a.example"}).(*ByHost); ok {
		t.Errorf("without a certificate: %+v", got)
	}
	split, ok := networkOf(LiveOptions{Connections: Options{Identity: &Identity{}}}, []string{"A.example", "b.example:5000", "dl.k8s.io", "EU.registry.k8s.io", "rekor.sigstore.dev:443"}).(*ByHost)
	if !ok || len(split.Hosts) != 2 || split.Hosts["a.example"] == nil || split.Hosts["b.example:5000"] != split.Hosts["a.example"] || split.Else == nil || split.Else == split.Hosts["a.example"] {
		t.Fatalf("%+v", split)
	}
	shows := func(r http.RoundTripper) bool {
		base := r.(*StallGuard).Next.(*lanes).all[0].(*gate).next.(*http.Transport) //nolint:forcetypeassert // the stack
		return len(base.TLSClientConfig.Certificates) > 0
	}
	if !shows(split.Hosts["a.example"]) || shows(split.Else) {
		t.Error("the certificate is shown to the wrong hosts")
	}
}

// TestWhatALiveTransportConnectsTo holds to which hosts it connects ahead: none that something stands in for.
func TestWhatALiveTransportConnectsTo(t *testing.T) {
	stand := map[string]*url.URL{"cdn.dl.k8s.io": at(t, "https://m.example")}
	for name, tt := range map[string]struct {
		o    LiveOptions
		want string
	}{
		"by default":   {LiveOptions{}, "map[dl.k8s.io:[cdn.dl.k8s.io] pkg.dev:[us-central1-docker.pkg.dev] sbom.k8s.io:[dl.k8s.io cdn.dl.k8s.io rekor.sigstore.dev]]"},
		"a stand-in":   {LiveOptions{Endpoints: stand}, "map[dl.k8s.io:[] pkg.dev:[us-central1-docker.pkg.dev] sbom.k8s.io:[dl.k8s.io rekor.sigstore.dev]]"},
		"of its own":   {LiveOptions{Preconnect: map[string][]string{"a": {"b", "cdn.dl.k8s.io"}}, Endpoints: stand}, "map[a:[b]]"},
		"none":         {LiveOptions{Preconnect: map[string][]string{}}, "map[]"},
		"none of them": {LiveOptions{Preconnect: map[string][]string{}, Endpoints: stand}, "map[]"},
	} {
		tt.o.Network = tripper(nil)
		live := NewLive(tt.o)
		if got := fmt.Sprint(aheadOf(tt.o)); got != tt.want || (live.ahead != nil) != (tt.want != "map[]") || live.ahead != nil && fmt.Sprint(live.ahead.Hosts) != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
