package fetch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// proxyError says that a proxy did not let a connection through.
type proxyError struct {
	host   string
	status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answered %d %s", printable(e.host), e.status, http.StatusText(e.status))
}

const (
	hintHTTP  = "it speaks plain HTTP there: write http:// (for mirror push: --plain-http), or name its TLS port"
	hintTLS   = "it speaks TLS there: write https://, or name its port for plain HTTP"
	hintProxy = "the proxy requires a user and a password: write them into HTTPS_PROXY or HTTP_PROXY (http://USER:PASSWORD@HOST:PORT)"
	hintCA    = "name an authority of your own with --ca-file FILE or SSL_CERT_FILE (kverify help environment)"
)

// hint is the third part of the message: what a person can do now, and what
// of a file the next run has already.
func (e *Error) hint() string {
	switch hint := e.cure(); {
	case e.KeptBytes == 0:
		return hint
	case e.Kind == Truncated || hint == "":
		return fmt.Sprintf("%d bytes are kept: try again, and the download continues from there", e.KeptBytes)
	default:
		return fmt.Sprintf("%s; %d bytes are kept, and the next run continues from there", hint, e.KeptBytes)
	}
}

// cure is by the cause where that can be told, else by the kind.
func (e *Error) cure() string {
	if e.Mirror != "" && (e.Kind == NotFound || e.Kind == Unreachable) {
		return "kverify mirror show " + printable(e.Mirror) + " lists what it holds"
	}
	if h := e.tlsHint(); h != "" {
		return h
	}
	var proxy *proxyError
	if errors.As(e.Err, &proxy) {
		if proxy.status == http.StatusProxyAuthRequired {
			return hintProxy
		}
		return "check what the proxy allows, HTTPS_PROXY and NO_PROXY"
	}
	if errors.Is(e.Err, ErrFull) {
		return "ask for fewer at once; genuine answers take a small part of it"
	}
	switch e.Status {
	case http.StatusProxyAuthRequired:
		return hintProxy
	case http.StatusPreconditionFailed:
		return "a setting of the registry's project holds it back, such as one that hands out only signed or scanned images; ask who runs it"
	case http.StatusUnsupportedMediaType:
		return "it does not take this media type; it needs a registry that does, since bytes cannot be converted and keep their digest"
	case http.StatusBadRequest:
		if e.spokeTLSPort() {
			return hintTLS
		}
	}
	return hints[e.Kind]
}

// spokeTLSPort says whether a 400 is how servers answer plain HTTP where they
// speak TLS: Go's, nginx's and Apache's words.
func (e *Error) spokeTLSPort() bool {
	for _, words := range []string{"Client sent an HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server port"} {
		if bytes.Contains(e.Body, []byte(words)) {
			return true
		}
	}
	return false
}

func (e *Error) tlsHint() string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case e.Err == nil:
		return ""
	case errors.As(e.Err, &unknown):
		return hintCA
	case errors.As(e.Err, &name):
		return "use a name that its certificate has, or have it made for this one"
	case errors.As(e.Err, &invalid):
		if invalid.Reason == x509.Expired {
			return "check this machine's clock, and have the certificate renewed"
		}
		return "have the server's certificate made anew"
	case errors.Is(e.Err, http.ErrSchemeMismatch), errors.As(e.Err, &record) && bytes.HasPrefix(record.RecordHeader[:], []byte("HTTP/")):
		return hintHTTP
	case errors.As(e.Err, &record):
		return "it does not speak TLS there; check the port"
	case strings.Contains(e.Err.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert; net/http has no type for it
		return hintTLS
	case errors.As(e.Err, &op) && op.Op == "remote error":
		return alertHint(op.Err)
	}
	return ""
}

// alertHint is by the alert that the server sent (RFC 8446, 6.2). crypto/tls
// gives it under a type that is not exported, but in the same words.
func alertHint(err error) string {
	const badCertificate, unsupported, unknownCA, required = tls.AlertError(42), tls.AlertError(43), tls.AlertError(48), tls.AlertError(116)
	if err == nil {
		return ""
	}
	switch err.Error() {
	case required.Error(), badCertificate.Error():
		return "it requires a client certificate that it knows: give --client-cert and --client-key"
	case unsupported.Error(), unknownCA.Error():
		return "it does not accept the client certificate; give one of its own authority with --client-cert and --client-key"
	case tls.AlertError(40).Error():
		return "no way of TLS suits both sides; it may require a client certificate (--client-cert, --client-key), or speak only what is outdated"
	}
	return ""
}
