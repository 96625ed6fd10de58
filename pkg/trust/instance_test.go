package trust_test

import (
	"os"
	"path/filepath"
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
	both := func(part, start string) []byte { // ours, and another's from then on
		var theirs []map[string]any
		world.EditRoot(evil, func(lists map[string][]map[string]any) { theirs = lists[part] })
		return world.EditRoot(own, func(lists map[string][]map[string]any) {
			for _, one := range theirs {
				of := one
				if key, ok := one["publicKey"].(map[string]any); ok {
					of = key
				}
				of["validFor"] = map[string]any{"start": start}
				lists[part] = append(lists[part], one)
			}
		})
	}
	ours := parseRoot(t, own)
	for name, tt := range map[string]struct {
		text []byte
		want bool
	}{
		"a log more": {both("tlogs", "2040-01-01T00:00:00Z"), true}, "an authority more": {both("certificateAuthorities", "2040-01-01T00:00:00Z"), true},
		"an older log more": {both("tlogs", "2001-01-01T00:00:00Z"), true}, "an older authority more": {both("certificateAuthorities", "2001-01-01T00:00:00Z"), true},
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

// Every kind of authority that a root has is shown, and a log of which it does not say since when it
// counts is none: nobody could tell what it signed before.
func TestAnchorsOfARoot(t *testing.T) {
	text := world.NewSigstore("own").TrustedRootJSON()
	kinds := map[string]int{}
	for _, a := range parseRoot(t, text).Anchors() {
		kinds[a.Kind]++
		if a.ID == "" {
			t.Errorf("%+v", a)
		}
	}
	for _, kind := range []string{"certificate authority", "certificate log", "transparency log", "timestamp authority"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	bare := world.EditRoot(text, func(lists map[string][]map[string]any) {
		for _, l := range lists["tlogs"] {
			delete(l["publicKey"].(map[string]any), "validFor")
		}
		for _, l := range lists["ctlogs"] {
			delete(l["publicKey"].(map[string]any), "validFor")
		}
	})
	file := filepath.Join(t.TempDir(), "root.json")
	if err := os.WriteFile(file, bare, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := trust.LoadAnyRoot(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.Anchors() {
		if strings.HasSuffix(a.Kind, " log") {
			t.Errorf("it counts since %s: %+v", a.From, a)
		}
	}
}
