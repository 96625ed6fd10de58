package trust

import (
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/internal/world"
)

func parsed(t *testing.T, text []byte) *Root {
	t.Helper()
	r, err := ParseRoot(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type lists = map[string][]map[string]any

// list is one list of a trusted root's JSON.
func list(text []byte, name string) (out []map[string]any) {
	world.EditRoot(text, func(l lists) { out = l[name] })
	return out
}

// with is a trusted root whose list of that name is another.
func with(text []byte, name string, list []map[string]any) []byte {
	return world.EditRoot(text, func(l lists) { l[name] = list })
}

// A log whose key has no start of validity could be made to have signed at any time: no root has one.
func TestRootOfALogWithoutAStart(t *testing.T) {
	text := world.NewSigstore("own").TrustedRootJSON()
	parsed(t, text)
	for _, name := range []string{"tlogs", "ctlogs"} {
		for _, start := range []any{nil, "0001-01-01T00:00:00Z"} { // the year one is Go's time of nothing
			bare := world.EditRoot(text, func(l lists) { l[name][0]["publicKey"].(map[string]any)["validFor"] = map[string]any{"start": start} })
			if _, err := ParseRoot(bare); err == nil || !strings.Contains(err.Error(), "start") {
				t.Errorf("%s from %v: %v", name, start, err)
			}
			if r, err := parseAnyRoot(bare); err != nil || len(r.Anchors()) != len(parsed(t, text).Anchors())-1 {
				t.Errorf("%s from %v: %v", name, start, err)
			}
		}
	}
}

// Of any instance's root what cannot be used is left out, and all else is kept.
func TestAnyRoot(t *testing.T) {
	own, evil := world.NewSigstore("own").TrustedRootJSON(), world.NewSigstore("other").TrustedRootJSON()
	for _, kind := range []string{"certificateAuthorities", "timestampAuthorities"} {
		empty := map[string]any{"uri": "https://example.com", "certChain": map[string]any{"certificates": []any{}}}
		text := with(own, kind, append([]map[string]any{empty}, append(list(own, kind), list(evil, kind)...)...))
		file := filepath.Join(t.TempDir(), "root.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := LoadAnyRoot(file)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if got, want := len(r.Anchors()), len(parsed(t, own).Anchors())+1; got != want {
			t.Errorf("%s: %d anchors, want %d", kind, got, want)
		}
		if s := r.Source(); s.Path != file || s.Embedded || s.Digest != digestOf(text) {
			t.Errorf("%+v", s)
		}
	}
	if r, err := parseAnyRoot(with(with(own, "certificateAuthorities", nil), "ctlogs", nil)); err != nil || len(r.Material.RekorLogs()) == 0 {
		t.Errorf("a root for keys: %v", err)
	}
}

// What a root knows is known by its id alone, whole, and of its kind.
func TestWhatARootKnows(t *testing.T) {
	own, evil := parsed(t, world.NewSigstore("own").TrustedRootJSON()), parsed(t, world.NewSigstore("evil").TrustedRootJSON())
	knows := map[string]func([]byte) bool{"transparency log": own.KnowsLog, "certificate log": own.KnowsCTLog, "certificate authority": own.KnowsAuthority}
	for _, a := range append(own.Anchors(), evil.Anchors()...) {
		id, err := hex.DecodeString(a.ID)
		if err != nil || len(id) == 0 {
			t.Fatalf("%+v", a)
		}
		for kind, has := range knows {
			if got, want := has(id), kind == a.Kind && slices.Contains(own.Anchors(), a); got != want {
				t.Errorf("%s of %+v: %v", kind, a, got)
			}
			if has(nil) || has(id[:len(id)-1]) {
				t.Errorf("%s knows nothing, or a part", kind)
			}
		}
	}
	for _, c := range own.Material.FulcioCertificateAuthorities()[0].(*authority).Intermediates {
		if !own.KnowsAuthority(c.SubjectKeyId) {
			t.Error("an intermediate is not known")
		}
	}
	nameless := &Root{Material: &material{TrustedRoot: &root.TrustedRoot{}, authorities: []root.CertificateAuthority{
		&root.FulcioCertificateAuthority{Root: &x509.Certificate{SubjectKeyId: []byte{1}}}, newAuthority(&root.FulcioCertificateAuthority{}),
		newAuthority(&root.FulcioCertificateAuthority{Root: &x509.Certificate{}}), newAuthority(&root.FulcioCertificateAuthority{Root: &x509.Certificate{SubjectKeyId: []byte{2}}}),
	}}}
	if nameless.KnowsAuthority(nil) || nameless.KnowsAuthority([]byte{}) || nameless.KnowsAuthority([]byte{3}) || !nameless.KnowsAuthority([]byte{2}) {
		t.Error("an authority without a key's id is taken for one")
	}
}

// Anchors are in one order, whatever that of the file: by kind, by start, by id.
func TestOrderOfAnchors(t *testing.T) {
	own := world.NewSigstore("own").TrustedRootJSON()
	var all []map[string]any
	for i, name := range []string{"own", "a", "b", "c", "d"} {
		one := list(world.NewSigstore(name).TrustedRootJSON(), "certificateAuthorities")[0]
		one["validFor"] = map[string]any{"start": []string{"2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z", "2022-01-01T00:00:00Z"}[min(i, 2)]}
		all = append(all, one)
	}
	want := parsed(t, with(own, "certificateAuthorities", all)).Anchors()
	for range all {
		all = append(all[1:], all[0])
		if got := parsed(t, with(own, "certificateAuthorities", all)).Anchors(); !slices.Equal(got, want) {
			t.Errorf("another order: %v", got)
		}
	}
	kinds := ""
	for i, a := range want {
		kinds += a.Kind + ", "
		if i > 0 && a.Kind == want[i-1].Kind && (a.From.Before(want[i-1].From) || a.From.Equal(want[i-1].From) && a.ID < want[i-1].ID) {
			t.Errorf("%+v before %+v", want[i-1], a)
		}
	}
	if kinds != strings.Repeat("certificate authority, ", 5)+"certificate log, transparency log, transparency log, timestamp authority, " {
		t.Errorf("%s", kinds)
	}
}

// Every difference of an anchor is a change, and one that stands twice is told apart by its starts.
func TestChangesOfAnchors(t *testing.T) {
	own := world.NewSigstore("own").TrustedRootJSON()
	edit := func(text []byte, name string, change func(map[string]any)) []byte {
		return world.EditRoot(text, func(l lists) { change(l[name][0]) })
	}
	since := func(start string) func(map[string]any) {
		return func(a map[string]any) { a["validFor"] = map[string]any{"start": start} }
	}
	const kind = "certificateAuthorities"
	early, late := edit(own, kind, since("2023-01-01T00:00:00Z")), edit(own, kind, since("2024-01-01T00:00:00Z"))
	both := with(own, kind, append(list(early, kind), list(late, kind)...))
	bare := list(world.NewSigstore("bare").TrustedRootJSON(), kind)[0]
	delete(bare, "validFor")
	delete(bare, "uri")
	plain := edit(own, kind, func(a map[string]any) { delete(a, "validFor"); delete(a, "uri") })
	for name, tt := range map[string]struct {
		was, is []byte
		want    string
	}{
		"another address":                    {own, edit(own, "tlogs", func(l map[string]any) { l["baseUrl"] = "https://example.com" }), "changed"},
		"another start":                      {early, late, "changed"},
		"the later of two is gone":           {both, early, "removed 2024"},
		"the earlier of two is gone":         {both, late, "changed removed"},
		"a second one":                       {early, both, "added 2024"},
		"one without a start and an address": {plain, with(plain, kind, append(list(plain, kind), bare)), "added 0001"},
	} {
		var got []string
		for _, c := range Changes(parsed(t, tt.was), parsed(t, tt.is)) {
			got = append(got, c.Kind()+" "+max(c.Was.From.Format("2006"), c.Is.From.Format("2006")))
		}
		all := strings.Join(got, " ")
		for _, want := range strings.Fields(tt.want) {
			if !strings.Contains(all, want) || len(got) != strings.Count(tt.want, "ed") {
				t.Errorf("%s: %q, want %q", name, all, tt.want)
			}
		}
	}
}
