package registry

import "context"

// Target is what credentials are asked for: one repository of one registry, as
// it is really spoken to.
type Target struct {
	Host       string // "harbor.example.com:8443", in lower case
	Repository string // "k8s/kube-proxy", with what stands before /v2/ where the API lies below a path
	Plain      bool   // HTTP without TLS
}

// Credentials are what a registry is told of who asks. The zero value is
// an anonymous client.
type Credentials struct {
	Username, Password string
	IdentityToken      string // a refresh token (distribution specification, "OAuth2 Token")
	RegistryToken      string // sent to the registry as it is
}

func (c Credentials) anonymous() bool { return c == Credentials{} }

// Keychain has the credentials of registries. It is asked only once a registry
// has asked for some, and gives the zero value where it has none. It may be
// used by many goroutines at once.
type Keychain interface {
	Credentials(ctx context.Context, t Target) (Credentials, error)
}
