package command

import (
	"context"
	"crypto/x509"

	"github.com/spf13/pflag"

	"github.com/kverify/kverify/pkg/fetch"
)

// OwnTLS is what the user has of their own for hosts that they named.
type OwnTLS struct {
	caFile, clientCert, clientKey string
}

const maxCertFile = 4 << 20 // a bundle of all authorities has some 250 KiB

func (o *OwnTLS) Add(f *pflag.FlagSet) {
	f.StringVar(&o.caFile, "ca-file", "", "trust the authorities in this `FILE` (PEM) for TLS besides the system's; what needs them is carried")
	f.StringVar(&o.clientCert, "client-cert", "", "show the certificate in this `FILE` (PEM) to the hosts that you name")
	f.StringVar(&o.clientKey, "client-key", "", "the key in this `FILE` (PEM) of --client-cert")
}

// own are certificates that were read.
type own struct {
	cas      []*x509.Certificate
	identity *fetch.Identity
}

// read reads the files of the flags.
func (o OwnTLS) read(ctx context.Context) (own, error) {
	var out own
	if o.caFile != "" {
		text, err := ReadFile(ctx, o.caFile, maxCertFile)
		if err != nil {
			return out, Usagef("--ca-file %s: %w; give the authority's certificate in PEM", o.caFile, PlainError(err))
		}
		if out.cas, err = fetch.ParseCAs(text); err != nil {
			return out, Usagef("--ca-file %s: %w", o.caFile, err)
		}
	}
	if (o.clientCert == "") != (o.clientKey == "") {
		return out, Usagef("--client-cert and --client-key go together; give both")
	}
	if o.clientCert == "" {
		return out, nil
	}
	cert, err := ReadFile(ctx, o.clientCert, maxCertFile)
	if err != nil {
		return out, Usagef("--client-cert %s: %w; give the certificate in PEM", o.clientCert, PlainError(err))
	}
	key, err := ReadFile(ctx, o.clientKey, maxCertFile)
	if err != nil {
		return out, Usagef("--client-key %s: %w; give the certificate's key in PEM", o.clientKey, PlainError(err))
	}
	if out.identity, err = fetch.ParseIdentity(cert, key); err != nil {
		return out, Usagef("--client-cert %s with --client-key %s: %w; give a certificate and its key in PEM", o.clientCert, o.clientKey, err)
	}
	return out, nil
}
