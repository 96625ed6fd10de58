package command

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/render/terminal"
)

// ServerTLS is the configuration of a server that speaks TLS with the certificate
// and key in these files, and nil for one that was given none.
func ServerTLS(ctx context.Context, cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	c := &certificate{cert: cert, key: key}
	if err := c.read(ctx); err != nil {
		return nil, Usagef("--tls-cert %s, --tls-key %s: %w; name a certificate and its key, both in PEM", cert, key, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// lookForCertificate is how often the files of a certificate are looked at:
// a renewed certificate needs no restart of the server.
const lookForCertificate = 10 * time.Second

// maxChainFile caps a certificate with its intermediates, some 2 KB each.
const maxChainFile = 1 << 20

type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  time.Time // of the newer of the two files
	looked time.Time
}

func (c *certificate) read(ctx context.Context) error {
	stamp := c.newest()
	chain, err := ReadFile(ctx, c.cert, maxChainFile)
	if err != nil {
		return fmt.Errorf("%s: %w", c.cert, PlainError(err))
	}
	key, err := ReadFile(ctx, c.key, MaxKeyFile)
	if err != nil {
		return fmt.Errorf("%s: %w", c.key, PlainError(err))
	}
	loaded, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	c.loaded, c.stamp, c.looked = &loaded, stamp, time.Now()
	return nil
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
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > lookForCertificate {
		c.looked = time.Now()
		if !c.newest().Equal(c.stamp) {
			_ = c.read(hello.Context()) // half written, perhaps: the next look tells
		}
	}
	return c.loaded, nil
}

// ServerLog takes what net/http says of connections, which repeats what
// clients sent.
func (a *App) ServerLog(set *Settings) *log.Logger {
	if set.Quiet {
		return log.New(io.Discard, "", 0)
	}
	return log.New(escaping{a.Stderr}, "kverify: ", 0)
}

// escaping writes lines that no terminal obeys.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	_, err := io.WriteString(e.w, terminal.EscapeLines(string(p)))
	return len(p), err
}
