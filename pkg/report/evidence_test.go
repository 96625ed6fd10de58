package report

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Whatever evidence says is what is read again, byte by byte.
func FuzzEvidenceList(f *testing.F) {
	hash := strings.Repeat("0123456789abcdef", 4)
	f.Add("signature", "registry.k8s.io/kube-proxy:sha256-"+hash+".sig", "sha256:"+hash, "logIndex", "007", uint8(0))
	f.Add("", "", "", "", "", uint8(3))
	f.Add("a", "00000000000000000000000000000000000000001", "\xff\x00", "18446744073709551616", strings.ToUpper(hash)+hash+"f", uint8(5))
	f.Add("same", "same", "same", "same", "same1", uint8(9))
	f.Fuzz(func(t *testing.T, what, source, digest, key, value string, strength uint8) {
		e := Evidence{What: what, Source: source, Digest: digest}
		if s := Strength(strength % 6); s <= Signed {
			e.Strength = &s
		}
		other := e
		other.Fields, other.Digest = map[string]string{key: value, value: key, "id": source}, source
		want := []Evidence{e, other, e, {}}
		list := EvidenceOf(want...)
		if got := list.All(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %q", want, got)
		}
		if list != EvidenceOf(want...) || list.IsZero() || list.Add(e) == list || !reflect.DeepEqual(list.Add(e).All(), append(want, e)) {
			t.Error("equal lists are not equal, or others are")
		}
	})
}

// Lists that differ in digests and numbers alone take little more than those.
func TestEvidenceIsSmall(t *testing.T) {
	one := func(hash, index string) EvidenceList {
		source := "registry.k8s.io/kube-proxy:sha256-" + strings.Repeat(hash, 32) + ".sig"
		return EvidenceOf(Evidence{What: "signature", Source: source, Digest: "sha256:" + strings.Repeat(hash, 32), Fields: map[string]string{"logIndex": index}},
			Evidence{What: "docker-reference", Source: source})
	}
	a, b := one("1a", "4163432"), one("2b", "9163433")
	if a.form != b.form || a == b || len(a.parts) > 75 {
		t.Errorf("%d bytes, of one form: %v", len(a.parts), a.form == b.form)
	}
	if !(Check{}).Evidence.IsZero() || EvidenceOf() != (EvidenceList{}) || (EvidenceList{}).All() != nil {
		t.Error("the empty list is not the zero value")
	}
}

func TestEvidenceAsJSON(t *testing.T) {
	strength := Carried
	list := EvidenceOf(Evidence{What: "<claim>", Source: "a", Strength: &strength})
	text, err := json.Marshal(Check{Name: "digest", Evidence: list})
	if want := `"evidence":[{"what":"\u003cclaim\u003e","source":"a","strength":"carried"}]`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%s %v", text, err)
	}
	var c Check
	if err := json.Unmarshal(text, &c); err != nil || c.Evidence != list {
		t.Errorf("%v %v", c, err)
	}
	if text, _ = json.Marshal(Check{}); strings.Contains(string(text), "evidence") {
		t.Errorf("an empty list is written: %s", text)
	}
	for _, text := range []string{`{"evidence":7}`, `{"evidence":[7]}`, `{"evidence":[{"strength":"much"}]}`} {
		if err := json.Unmarshal([]byte(text), &c); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	if err := json.Unmarshal([]byte(`{"evidence":null}`), &c); err != nil || !c.Evidence.IsZero() {
		t.Errorf("null: %v %v", c, err)
	}
}
