package trust_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// Two roots are of one instance if they share an authority and a log: one of the two anybody may have.
func TestSameInstance(t *testing.T) {
	own, evil := world.NewSigstore("own").TrustedRootJSON(), world.NewSigstore("evil").TrustedRootJSON()
	with := func(part string) []byte { // our root with a part of another's
		var theirs []map[string]any
		world.EditRoot(evil, func(lists map[string][]map[string]any) { theirs = lists[part] })
		return world.EditRoot(own, func(lists map[string][]map[string]any) { lists[part] = theirs })
	}
	ours := parseRoot(t, own)
	for name, tt := range map[string]struct {
		text []byte
		want bool
	}{
		"the same": {own, true}, "another": {evil, false},
		"another's log": {with("tlogs"), false}, "another's authority": {with("certificateAuthorities"), false}, "another's timestamps": {with("timestampAuthorities"), true},
	} {
		if got := ours.SameInstance(parseRoot(t, tt.text)); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An identity has the policy's name if both of its halves are the policy's.
func TestIdentityName(t *testing.T) {
	p := trust.EmbeddedPolicy()
	if got := p.IdentityName(p.ImageIdentity()); got != p.Images.Identity {
		t.Errorf("%q", got)
	}
	for _, id := range []trust.Identity{{}, {Issuer: p.ImageIdentity().Issuer}, {Subject: p.ImageIdentity().Subject}, {Issuer: "https://accounts.google.com.example", Subject: p.ImageIdentity().Subject}} {
		if got := p.IdentityName(id); got != "" {
			t.Errorf("%+v is %q", id, got)
		}
	}
}

// A policy has a rule for each class of attestations: without one nothing would be demanded of it.
func TestPolicyWithoutARuleForAttestations(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	at := strings.Index(text, "\nattestations:")
	if at < 0 {
		t.Fatal("no attestations in the policy")
	}
	end := at + 1
	for _, line := range strings.SplitAfter(text[at+1:], "\n")[1:] {
		if line != "\n" && line[0] != ' ' && line[0] != '#' {
			break
		}
		end += len(line)
	}
	if _, err := trust.ParsePolicy([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []string{"\nattestations: {}\n", "\n"} {
		if _, err := trust.ParsePolicy([]byte(text[:at] + rest + text[end+len("attestations:\n"):])); err == nil || !strings.Contains(err.Error(), "attestations") {
			t.Errorf("%v", err)
		}
	}
}
