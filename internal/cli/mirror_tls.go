package cli

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/render"
)

// tls is the configuration of a server that speaks TLS, and nil for one that does not.
func (s serving) tls() (*tls.Config, error) {
	if s.cert == "" {
		return nil, nil
	}
	c := &certificate{cert: s.cert, key: s.key}
	if err := c.read(); err != nil {
		return nil, usagef("--tls-cert %s, --tls-key %s: %w; name a certificate and its key, both in PEM", s.cert, s.key, plainError(err))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// lookForCertificate is how often the files of a certificate are looked at:
// whoever renews them need not start the server again.
const lookForCertificate = 10 * time.Second

type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  time.Time // of the newer of the two files
	looked time.Time
}

func (c *certificate) read() error {
	stamp := c.newest()
	var pems [2][]byte
	for i, name := range []string{c.cert, c.key} {
		var err error
		if pems[i], err = readPEM(name); err != nil {
			return err
		}
	}
	loaded, err := tls.X509KeyPair(pems[0], pems[1])
	if err != nil {
		return err
	}
	c.loaded, c.stamp, c.looked = &loaded, stamp, time.Now()
	return nil
}

// maxPEM caps a certificate with its chain, and a key.
const maxPEM = 1 << 20

// readPEM reads one of the two files, which may be a pipe but need not end.
func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := bounds.Read(f, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

func (c *certificate) newest() (t time.Time) {
	for _, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t
}

// get gives the certificate; one that cannot be read anew stays as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > lookForCertificate {
		c.looked = time.Now()
		if !c.newest().Equal(c.stamp) {
			_ = c.read() // half written, perhaps: the next look tells
		}
	}
	return c.loaded, nil
}

// serverLog takes what net/http says of connections, which repeats what
// clients sent.
func (a *app) serverLog(set *settings) *log.Logger {
	if set.quiet {
		return log.New(io.Discard, "", 0)
	}
	return log.New(escaping{a.stderr}, "kverify: ", 0)
}

// escaping writes lines that no terminal obeys.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	_, err := io.WriteString(e.w, render.EscapeLines(string(p)))
	return len(p), err
}
