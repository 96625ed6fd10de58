package sigstore_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sigstore"
)

// A payload that is put together is the one that was signed, to the byte, or none.
func TestPayloadsAreRebuilt(t *testing.T) {
	const subject, other = oci.Digest("sha256:1111111111111111111111111111111111111111111111111111111111111111"),
		oci.Digest("sha256:2222222222222222222222222222222222222222222222222222222222222222")
	signed := func(reference string, subject oci.Digest, optional string) []byte {
		return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":%s}`,
			reference, subject, optional)
	}
	names := []string{"registry.k8s.io/a", "registry.k8s.io/b"}
	learnt := func(optionals ...string) *sigstore.Payloads {
		p := new(sigstore.Payloads)
		for _, o := range optionals {
			p.Learn(signed("x", other, o))
		}
		return p
	}
	const tool, second = `{"creator":"x"}`, `{"creator":"y"}`
	forms := []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}
	of := func(b []byte) oci.Digest { return oci.DigestOf(b) }
	for _, tt := range []struct {
		name string
		p    *sigstore.Payloads
		want []byte // what was signed
		is   bool   // it is rebuilt
	}{
		{"without optional", new(sigstore.Payloads), signed(names[0], subject, "null"), true},
		{"under the second reference", new(sigstore.Payloads), signed(names[1], subject, "null"), true},
		{"under another reference", new(sigstore.Payloads), signed("registry.k8s.io/c", subject, "null"), false},
		{"of another subject", new(sigstore.Payloads), signed(names[0], other, "null"), false},
		{"an optional that nobody saw", new(sigstore.Payloads), signed(names[0], subject, tool), false},
		{"an optional that was seen", learnt(tool), signed(names[1], subject, tool), true},
		{"a second one", learnt(tool, second), signed(names[0], subject, second), true},
		{"none, after one was seen", learnt(tool), signed(names[0], subject, "null"), true},
		{"the last of four", learnt(forms...), signed(names[0], subject, forms[3]), true},
		{"a fifth", learnt(append(forms, tool)...), signed(names[0], subject, tool), false},
		{"one behind the same, often", learnt(tool, tool, tool, tool, second), signed(names[0], subject, second), true},
		{"the last of four behind none", learnt(append([]string{"null"}, forms...)...), signed(names[0], subject, forms[3]), true},
	} {
		got := tt.p.Rebuild(of(tt.want), subject, names)
		if tt.is && !bytes.Equal(got, tt.want) || !tt.is && got != nil {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	p := new(sigstore.Payloads)
	for _, text := range []string{"", "x", "[]", `{"optional":`, "{}"} {
		for range 4 {
			p.Learn([]byte(text)) // takes no room
		}
	}
	for _, o := range append(forms[:3:3], tool) {
		p.Learn(signed("x", other, o))
	}
	want := signed(names[0], subject, tool)
	if got := p.Rebuild(of(want), subject, names); !bytes.Equal(got, want) {
		t.Errorf("behind what says nothing: %s", got)
	}
	for _, digest := range []oci.Digest{"", "sha256:", "sha512:" + of(want)[len("sha256:"):], "sha256:ab"} {
		if got := p.Rebuild(digest, subject, names); got != nil {
			t.Errorf("%q: rebuilt %s", digest, got)
		}
	}
	first := p.Rebuild(of(want), subject, names)
	first[0] = 'x'
	if got := p.Rebuild(of(want), subject, names); !bytes.Equal(got, want) {
		t.Errorf("a second time: %s", got)
	}
}
