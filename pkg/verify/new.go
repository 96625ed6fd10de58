package verify

import (
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
)

// New makes a verifier under the policy and trusted root that are built in. It asks
// the outside world through transport: [fetch.NewLive] for the network, a mirror for
// none. Its fields may be changed before its first use.
func New(transport http.RoundTripper) *Verifier {
	client := &fetch.Client{Transport: transport}
	return &Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}}
}
