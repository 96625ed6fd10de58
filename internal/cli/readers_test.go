package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// inputs reads files that a person may write or save, each as the commands do.
func inputs(ctx context.Context) map[string]func(file string) error {
	opened := func(file string, read func(io.Reader) error) error {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		return read(f)
	}
	return map[string]func(string) error{
		"bundle": func(file string) error {
			text, err := readBundle(ctx, file)
			if err == nil {
				_, err = sigstore.ParseBundle(text)
			}
			return err
		},
		"trusted root": func(file string) error { _, err := trust.LoadRoot(file); return err },
		"any root":     func(file string) error { _, err := trust.LoadAnyRoot(file); return err },
		"policy":       func(file string) error { _, err := trust.LoadPolicy(file); return err },
		"lock": func(file string) error {
			return opened(file, func(r io.Reader) error { _, err := report.ReadLock(file, r); return err })
		},
		"report": func(file string) error {
			return opened(file, func(r io.Reader) error { _, err := report.Read(file, r); return err })
		},
		"key": func(file string) error {
			b := bundleFlags{key: file}
			return b.signer(ctx, &verify.Artifact{})
		},
		"list": func(file string) error {
			return opened(file, func(r io.Reader) error {
				for one, err := range sight.NewList(file, r).All(ctx) {
					if err == nil && one.Fault != "" {
						err = errors.New(one.Fault)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

// broken are inputs that no reader takes; most say what its library says of them.
var broken = []string{
	"", "{", "[", `{"a":}`, `{"mediaType":7}`, `{"mediaType":"x","novelty":{}}`, "a: [\n", "a: b: c\n", "\x00\x01", "<html>",
	`{"results":7,"entries":7,"tlogs":7,"identities":7,"items":7,"kind":7}`, `{"schemaVersion":1,"schemaVersion":1}`,
	`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"logId":7}]}`,
	`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":[7]}`,
	`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{"signature":"!"}}`, "\t- a\n\tb",
}

// No word of a library or of the program's types reaches who gave a broken file.
func TestReadersSpeakOfTheDocument(t *testing.T) {
	for name, read := range inputs(t.Context()) {
		for _, text := range broken {
			file := filepath.Join(t.TempDir(), "input")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := read(file)
			if err == nil {
				if name != "list" {
					t.Errorf("%s: %q is taken", name, text)
				}
				continue
			}
			for _, word := range []string{"proto:", "json:", "yaml:", "unmarshal", "invalid character", "syntax error", "Go value", "Go struct", "EOF", "\u00a0", "asn1", "x509"} {
				if strings.Contains(strings.ReplaceAll(err.Error(), file, ""), word) {
					t.Errorf("%s: %q: %v", name, text, err)
				}
			}
		}
	}
}

// What an editor or shell has put a byte order mark before is read all the same.
func TestReadersTakeAByteOrderMark(t *testing.T) {
	policy, err := os.ReadFile("../../pkg/trust/data/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(world.Options{})
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&secret.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	saved := savedRun(t)
	rep, err := report.Read("report", bytes.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	rep.Report.Saved = false
	lock, err := report.NewLock(rep.Report)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := lock.JSON()
	if err != nil {
		t.Fatal(err)
	}
	read := inputs(t.Context())
	for name, text := range map[string][]byte{
		"trusted root": w.TrustedRootJSON(), "any root": w.TrustedRootJSON(), "policy": policy, "report": saved, "lock": locked,
		"key":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"list": []byte("registry.k8s.io/kube-proxy:v1.27.2\n"),
	} {
		file := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(file, append([]byte("\xef\xbb\xbf"), text...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read[name](file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := readBundle(t.Context(), file); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s as a bundle: %.20q, %v", name, got, err)
		}
	}
}
