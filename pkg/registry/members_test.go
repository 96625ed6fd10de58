package registry

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestMembersByKind puts a value of each kind in the place of each member: one of a kind that the
// specification does not give it is refused, whatever stands beside it.
func TestMembersByKind(t *testing.T) {
	index := func(key, val string) string {
		members := []string{`"schemaVersion":2`, `"manifests":[` + desc("") + `]`}
		return object(members, key, val)
	}
	image := func(key, val string) string {
		return object([]string{`"schemaVersion":2`, `"config":` + desc(""), `"layers":[]`}, key, val)
	}
	one := func(key, val string) string {
		return object([]string{`"mediaType":"x/y"`, `"digest":"` + someDigest + `"`, `"size":5`}, key, val)
	}
	conf := func(key, val string) string {
		return object([]string{`"os":"linux"`, `"rootfs":{"type":"layers","diff_ids":[]}`}, key, val)
	}
	rootfs := func(key, val string) string {
		return conf("rootfs", object([]string{`"type":"layers"`, `"diff_ids":[]`}, key, val))
	}
	places := map[string]func(key, val string) error{
		"index": func(k, v string) error { return readAs(OCIIndex, index(k, v)) },
		"image": func(k, v string) error { return readAs(OCIManifest, image(k, v)) },
		"descriptor of an index": func(k, v string) error {
			return readAs(OCIIndex, index("manifests", "["+desc("")+","+one(k, v)+"]"))
		},
		"descriptor of a layer":   func(k, v string) error { return readAs(OCIManifest, image("layers", "["+one(k, v)+"]")) },
		"descriptor of a config":  func(k, v string) error { return readAs(DockerManifest, image("config", one(k, v))) },
		"descriptor of a subject": func(k, v string) error { return readAs(OCIManifest, image("subject", one(k, v))) },
		"platform": func(k, v string) error {
			return readAs(DockerIndex, index("manifests", "["+one("platform", object(nil, k, v))+"]"))
		},
		"config": func(k, v string) error { _, err := ParseConfig([]byte(conf(k, v))); return err },
		"rootfs": func(k, v string) error { _, err := ParseConfig([]byte(rootfs(k, v))); return err },
	}
	descriptor := map[string]string{"mediaType": `"a/b"`, "digest": "", "size": "7", "annotations": "null {}", "artifactType": `null "" "a/b"`, "platform": `null {} {"a":7}`, "urls": ""}
	want := map[string]map[string]string{ // which of the values below each member may have
		"index":                   {"schemaVersion": "", "mediaType": `null ""`, "manifests": "null []", "artifactType": `null "" "a/b"`, "annotations": "null {}", "x": "all"},
		"image":                   {"schemaVersion": "", "mediaType": `null ""`, "config": "", "layers": "null []", "artifactType": `null "" "a/b"`, "annotations": "null {}", "subject": "null", "x": "all"},
		"descriptor of an index":  descriptor,
		"descriptor of a layer":   descriptor,
		"descriptor of a config":  descriptor,
		"descriptor of a subject": descriptor,
		"platform":                {"os": `null "" "a/b"`, "architecture": `null "" "a/b"`, "variant": `null "" "a/b"`, "os.version": `null "" "a/b"`, "features": "all"},
		"config":                  {"os": `null "" "a/b"`, "architecture": `null "" "a/b"`, "variant": `null "" "a/b"`, "os.version": `null "" "a/b"`, "rootfs": "", "history": "all"},
		"rootfs":                  {"type": "", "diff_ids": "[]", "x": "all"},
	}
	values := []string{"null", "true", "7", "-7", "-0", "7.5", "1e1", "99999999999999999999", `""`, `"a/b"`, "[]", "[7]", "{}", `{"a":7}`}
	for place, members := range want {
		for key, good := range members {
			for _, val := range values {
				err := places[place](key, val)
				ok := good == "all" || slices.Contains(strings.Fields(good), val)
				var fe *FormatError
				if (err == nil) != ok || err != nil && !errors.As(err, &fe) {
					t.Errorf("%s: %s is %s: %v", place, key, val, err)
				}
			}
		}
	}
	for key, vals := range map[string][]string{"annotations": {`{"a":"b"}`}, "manifests": {"[" + desc("") + "]"}, "schemaVersion": {"2"}} {
		for _, val := range vals {
			if err := places["index"](key, val); err != nil {
				t.Errorf("%s is %s: %v", key, val, err)
			}
		}
	}
}

// TestMembersInAnotherCase spells each member that is read as only some readers take for it: what they would
// see there is neither read nor passed over.
func TestMembersInAnotherCase(t *testing.T) {
	image := `{"schemaVersion":2,"mediaType":"` + OCIManifest + `","artifactType":"a/b","annotations":{},"subject":` + desc("") + `,"config":` + desc("") + `,"layers":[%s]}`
	index := `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","artifactType":"a/b","annotations":{},"manifests":[%s]}`
	full := desc(`,"annotations":{},"artifactType":"t/u","platform":{"os":"o","architecture":"r","variant":"v","os.version":"w"}`)
	config := `{"os":"o","architecture":"r","variant":"v","os.version":"w","rootfs":{"type":"layers","diff_ids":[]}}`
	readConfig := func(text string) error { _, err := ParseConfig([]byte(text)); return err }
	readImage := func(text string) error { return readAs(OCIManifest, text) }
	readIndex := func(text string) error { return readAs(OCIIndex, text) }
	top := "schemaVersion mediaType artifactType annotations "
	for name, c := range map[string]struct {
		text    string
		read    func(string) error
		members string
	}{
		"image":                   {fmt.Sprintf(image, ""), readImage, top + "subject config layers"},
		"index":                   {fmt.Sprintf(index, ""), readIndex, top + "manifests"},
		"descriptor and platform": {`{"schemaVersion":2,"manifests":[` + full + `]}`, readIndex, "mediaType digest size annotations artifactType platform os architecture variant os.version"},
		"layer":                   {`{"schemaVersion":2,"config":` + desc("") + `,"layers":[` + full + `]}`, readImage, "mediaType digest size annotations platform"},
		"config":                  {config, readConfig, "os architecture variant os.version rootfs type diff_ids"},
		"urls":                    {strings.Replace(fmt.Sprintf(image, desc(`,"urls":[]`)), "urls", "uRLs", 1), readImage, ""},
		"an image's in an index":  {fmt.Sprintf(strings.Replace(index, "{", `{"Layers":[],"x":1,`, 1), ""), readIndex, ""},
		"an index's in an image":  {fmt.Sprintf(strings.Replace(image, "{", `{"maniFests":[],"x":1,`, 1), ""), readImage, ""},
	} {
		if c.members == "" {
			if err := c.read(c.text); err == nil || !strings.Contains(err.Error(), "some readers take for") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err := c.read(c.text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, m := range strings.Fields(c.members) {
			for _, other := range []string{strings.ToUpper(m), strings.ToUpper(m[:1]) + m[1:], m[:1] + strings.ToUpper(m[1:]), strings.Replace(m, "s", "\u017f", 1), strings.Replace(m, "s", `\u017f`, 1)} {
				if other == m {
					continue
				}
				text := strings.Replace(c.text, `"`+m+`":`, `"`+other+`":`, 1)
				var fe *FormatError
				if err := c.read(text); !errors.As(err, &fe) || !strings.Contains(err.Error(), "some readers take for "+m) {
					t.Errorf("%s: %s for %s: %v", name, other, m, err)
				}
			}
			if text := strings.Replace(c.text, `"`+m+`":`, `"`+m+`s":1,"`+m+`":`, 1); c.read(text) != nil { // another name altogether
				t.Errorf("%s: %ss beside %s: %v", name, m, m, c.read(text))
			}
		}
	}
}

func readAs(mediaType, body string) error {
	_, _, err := ParseManifest(mediaType, []byte(body))
	return err
}

// object writes one with a member replaced, or added.
func object(members []string, key, val string) string {
	out := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return strings.HasPrefix(m, `"`+key+`":`) })
	return "{" + strings.Join(append(out, fmt.Sprintf("%q:%s", key, val)), ",") + "}"
}

// TestManifestsAreReadWhole holds that each member comes out where it belongs.
func TestManifestsAreReadWhole(t *testing.T) {
	full := desc(`,"annotations":{"a":"b","c":"d"},"artifactType":"t/u","platform":{"os":"o","architecture":"r","variant":"v","os.version":"w"}`)
	d := Descriptor{MediaType: "x/y", Digest: someDigest, Size: 5, Annotations: map[string]string{"a": "b", "c": "d"}, ArtifactType: "t/u",
		Platform: &Platform{OS: "o", Architecture: "r", Variant: "v", OSVersion: "w"}}
	bare := Descriptor{MediaType: "x/y", Digest: someDigest, Size: 5}
	for _, typ := range []string{DockerIndex, OCIIndex} {
		x, m, err := ParseManifest(typ+"; charset=utf-8", []byte(`{"schemaVersion":2,"mediaType":"`+typ+`","artifactType":"q/r","annotations":{"e":"f"},"manifests":[`+full+`,`+desc("")+`]}`))
		if want := (&Index{MediaType: typ, ArtifactType: "q/r", Annotations: map[string]string{"e": "f"}, Manifests: []Descriptor{d, bare}}); err != nil || m != nil || !reflect.DeepEqual(x, want) {
			t.Errorf("%+v %+v %v", x, m, err)
		}
	}
	for _, typ := range []string{DockerManifest, OCIManifest} {
		x, m, err := ParseManifest(typ, []byte(`{"schemaVersion":2,"artifactType":"q/r","annotations":{"e":"f"},"config":`+desc("")+`,"layers":[`+full+`,`+desc("")+`],"subject":`+full+`}`))
		if want := (&Image{MediaType: typ, ArtifactType: "q/r", Annotations: map[string]string{"e": "f"}, Config: bare, Layers: []Descriptor{d, bare}, Subject: &d}); err != nil || x != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%+v %+v %v", x, m, err)
		}
	}
	c, err := ParseConfig([]byte(`{"os":"o","architecture":"r","variant":"v","os.version":"w","rootfs":{"type":"layers","diff_ids":["` + someDigest + `","` + string(oneDigest) + `"]}}`))
	if err != nil || c.Platform() != *d.Platform || fmt.Sprint(c.DiffIDs) != fmt.Sprint([]any{someDigest, oneDigest}) {
		t.Errorf("%+v %v", c, err)
	}
}

// TestWhatIsNeitherIndexNorImage holds that a document that two readers could take for different
// things is refused, by whichever member it is both; and that of several faults the first is told.
func TestWhatIsNeitherIndexNorImage(t *testing.T) {
	for _, key := range []string{"config", "layers", "fsLayers", "history"} {
		for _, typ := range []string{OCIIndex, OCIManifest} {
			if err := readAs(typ, `{"schemaVersion":2,"manifests":[],"`+key+`":[]}`); err == nil || !strings.Contains(err.Error(), "both an index and an image") {
				t.Errorf("%s with %s: %v", typ, key, err)
			}
		}
	}
	for body, says := range map[string]string{
		`{"schemaVersion":"2","mediaType":5,"manifests":5}`:                                                              "schemaVersion is missing or no number",
		`{"schemaVersion":2,"mediaType":5,"manifests":5}`:                                                                "mediaType is not a string",
		`{"schemaVersion":3,"mediaType":"a/b","manifests":5}`:                                                            "schema version 3",
		`{"schemaVersion":2,"manifests":[5,` + desc(`,"urls":[]`) + `]}`:                                                 "a descriptor that is not an object",
		`{"schemaVersion":2,"manifests":[` + desc(`,"urls":[],"platform":5`) + `]}`:                                      "urls",
		`{"schemaVersion":2,"manifests":[` + strings.Replace(desc(`,"platform":5`), someDigest, "sha256:x", 1) + `,{}]}`: "digest is not a sha256",
		`{"schemaVersion":2,"manifests":[],"annotations":{"a":5,"b":"c"},"artifactType":5}`:                              "artifactType is not a string",
		`{"schemaVersion":2,"manifests":[{"mediaType":"","digest":"` + someDigest + `","size":1}]}`:                      "mediaType is not a string",
		`{"schemaVersion":2,"manifests":[{"digest":"x","size":1}]}`:                                                      "no mediaType",
	} {
		x, m, err := ParseManifest(OCIIndex, []byte(body))
		if err == nil || !strings.Contains(err.Error(), says) || m != nil || x != nil && !strings.Contains(body, `"schemaVersion":2,"manifests"`) {
			t.Errorf("%s: %v %v %v, want %q", body, x, m, err, says)
		}
	}
	for _, tt := range []struct {
		typ          string
		index, image bool
	}{{DockerIndex, true, false}, {OCIIndex, true, false}, {DockerManifest, false, true}, {OCIManifest, false, true}, {"x/y", false, false}} {
		body := `{"schemaVersion":2,"manifests":[]}`
		if tt.image {
			body = `{"schemaVersion":2,"config":` + desc("") + `,"layers":[]}`
		}
		m := &Manifest{Ref: proxy, MediaType: tt.typ, Body: []byte(body)}
		x, err := m.Index()
		im, err2 := m.Image()
		if m.IsIndex() != tt.index || (err == nil) != tt.index || (err2 == nil) != tt.image || (x != nil) != tt.index || (im != nil) != tt.image {
			t.Errorf("%s: %v %v %v %v %v", tt.typ, m.IsIndex(), x, err, im, err2)
		}
		for _, err := range []error{err, err2} {
			var fe *FormatError
			if err != nil && (!errors.As(err, &fe) || fe.Subject != proxy.String()) {
				t.Errorf("%s: %v", tt.typ, err)
			}
		}
	}
	broken := &Manifest{Ref: proxy, MediaType: OCIIndex, Body: []byte(`{`)}
	if x, err := broken.Index(); x != nil || err == nil || !strings.Contains(err.Error(), "ends too early") {
		t.Error(x, err)
	}
	if im, err := broken.Image(); im != nil || err == nil || !strings.Contains(err.Error(), "ends too early") {
		t.Error(im, err)
	}
	for body, says := range map[string]string{`[]`: "not an object", `{`: "ends too early", `{"os":5,"rootfs":5}`: "os is not a string", `{"rootfs":{"type":5}}`: "type is not a string",
		`{"rootfs":{"type":"x"}}`: "not of type layers"} {
		var fe *FormatError
		if c, err := ParseConfig([]byte(body)); c != nil || !errors.As(err, &fe) || fe.Subject != "image config" || !strings.Contains(fe.Why, says) {
			t.Errorf("%s: %+v %v", body, c, err)
		}
	}
}
