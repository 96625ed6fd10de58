package convert_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/convert"
	"github.com/kverify/kverify/pkg/oci"
)

// rows reads a table of facts, without its comment.
func rows(tb testing.TB, name string) (out [][]string) {
	tb.Helper()
	for line := range strings.Lines(testdata(tb, name)) {
		if f := strings.Fields(line); f[0] != "#" {
			out = append(out, f)
		}
	}
	return out
}

// TestConfigsAreThoseMeasured: the computed configs are those that skopeo and the
// structs of image-spec wrote, all of them and no others.
func TestConfigsAreThoseMeasured(t *testing.T) {
	want := map[string][]string{}
	for _, f := range rows(t, "skopeo-1.9.3.txt") {
		if len(f) == 3 && f[0] != "control" {
			want[f[0]] = append(want[f[0]], f[1])
		}
	}
	for _, f := range rows(t, "image-spec.txt") {
		want[f[1]] = append(want[f[1]], f[2])
	}
	for _, e := range corpus(t) {
		configs, err := convert.Configs(e.config)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		var got []string
		for _, d := range configs {
			got = append(got, string(d.Digest))
			if d.Digest != oci.Digest(digest(d.Bytes)) || d.From != oci.Digest(digest(e.config)) {
				t.Errorf("%s: a config of other bytes", e.name)
			}
		}
		slices.Sort(got)
		slices.Sort(want[e.name])
		if !slices.Equal(got, slices.Compact(want[e.name])) {
			t.Errorf("%s: %d configs\n%v\nwant\n%v", e.name, len(got), got, want[e.name])
		}
	}
}

func TestManifestsAreThoseMeasured(t *testing.T) {
	want := map[string][]string{}
	for _, f := range rows(t, "skopeo-1.9.3.txt") {
		if len(f) == 3 {
			want[f[0]] = f[1:]
		}
	}
	for _, e := range corpus(t) {
		if e.name == "control" {
			continue
		}
		manifests := manifestsOf(t, e.config, want[e.name][0])
		if len(manifests) != 2 || manifests[1].Digest != oci.Digest(want[e.name][1]) {
			t.Errorf("%s: %d manifests; the last is\n%s", e.name, len(manifests), manifests[len(manifests)-1].Bytes)
		}
		older := strings.Replace(string(manifests[1].Bytes), `"mediaType":"application/vnd.oci.image.manifest.v1+json",`, "", 1)
		if string(manifests[0].Bytes) != older {
			t.Errorf("%s: the older form is\n%s", e.name, manifests[0].Bytes)
		}
	}
}

// manifestsOf converts the manifest around the config that is converted to this digest.
func manifestsOf(tb testing.TB, config []byte, to string) []convert.Derived {
	tb.Helper()
	configs, err := convert.Configs(config)
	if err != nil {
		tb.Fatal(err)
	}
	at := slices.IndexFunc(configs, func(d convert.Derived) bool { return d.Digest == oci.Digest(to) })
	if at < 0 {
		tb.Fatalf("no config is %s", to)
	}
	manifests, err := convert.Manifests(genuineManifest(tb, config), configs[at])
	if err != nil {
		tb.Fatal(err)
	}
	return manifests
}

func TestIndexesAreThoseMeasured(t *testing.T) {
	table := map[string][]string{}
	for _, f := range rows(t, "skopeo-1.9.3.txt") {
		table[f[0]] = f[1:]
	}
	for name, of := range map[string][]string{"two": {"plain", "variant"}, "windows": {"plain", "osversion", "osfeatures"}} {
		var entries []any
		var older, newer []convert.Derived
		for _, e := range corpus(t) {
			if !slices.Contains(of, e.name) {
				continue
			}
			entries = append(entries, listEntry(t, e.config))
			m := manifestsOf(t, e.config, table[e.name][0])
			older, newer = append(older, m[0]), append(newer, m[1])
		}
		list := marshal(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": entries})
		slices.Reverse(newer) // the order in which they are given does not matter
		indexes, err := convert.Indexes(list, newer)
		if err != nil || len(indexes) != 2 || indexes[1].Digest != oci.Digest(table[name][0]) || !slices.Equal(indexes[1].Dropped, []string{"manifests[].platform.features"}) {
			t.Fatalf("%s: %v, %+v", name, err, indexes)
		}
		if indexes, err = convert.Indexes(list, older); err != nil || strings.Contains(string(indexes[0].Bytes), "image.index.v1") || !strings.Contains(string(indexes[0].Bytes), string(older[0].Digest)) {
			t.Errorf("%s: %v, %+v", name, err, indexes)
		}
		if _, err := convert.Indexes(list, newer[1:]); err == nil {
			t.Errorf("%s: an index without one of its manifests", name)
		}
		if _, err := convert.Indexes(list, append(older, newer...)); err == nil {
			t.Errorf("%s: an index of two manifests for one entry", name)
		}
	}
}

// listEntry is a manifest list's, with the platform of the config.
func listEntry(tb testing.TB, config []byte) map[string]any {
	tb.Helper()
	var platform map[string]any
	if err := json.Unmarshal(config, &platform); err != nil {
		tb.Fatal(err)
	}
	for _, k := range []string{"config", "rootfs", "created"} {
		delete(platform, k)
	}
	platform["features"] = []string{"sse4"}
	entry := described("application/vnd.docker.distribution.manifest.v2+json", genuineManifest(tb, config))
	entry["platform"] = platform
	return entry
}

func TestDropped(t *testing.T) {
	want := map[string][]string{
		"plain":       nil,
		"empties":     nil,
		"nofeatures":  nil,
		"healthcheck": {"config.Healthcheck"},
		"onbuild":     {"config.Hostname", "config.MacAddress", "config.NetworkDisabled", "config.OnBuild", "config.Shell", "config.StopTimeout", "config.Tty"},
		"docker":      {"config.Image", "container", "container_config", "docker_version", "id", "moby.buildkit.cache.v0", "parent"},
		"history":     {"history[].id"},
		"variant":     {"variant"},
		"unknown":     {"config.Memory", "config.New", "new", "rootfs.base"},
		"letters":     {"oſ.version"},
	}
	for _, e := range corpus(t) {
		list, known := want[e.name]
		if !known {
			continue
		}
		configs, err := convert.Configs(e.config)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(configs[0].Dropped, list) {
			t.Errorf("%s: %q are dropped", e.name, configs[0].Dropped)
		}
		if n := len(configs); n > 1 && len(configs[n-1].Dropped) != 0 {
			t.Errorf("%s: the newest form drops %q", e.name, configs[n-1].Dropped)
		}
	}
}

// TestNotConverted: what is OCI already stays, and what is packed anew cannot be known.
func TestNotConverted(t *testing.T) {
	config := corpus(t)[0].config
	configs, err := convert.Configs(config)
	if err != nil {
		t.Fatal(err)
	}
	genuine := string(genuineManifest(t, config))
	for _, text := range []string{
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`,
		strings.Replace(genuine, "diff.tar.gzip", "diff.tar", 1),
	} {
		if got, err := convert.Manifests([]byte(text), configs[0]); err != nil || got != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	foreign := strings.Replace(genuine, "rootfs.diff", "rootfs.foreign.diff", 1)
	if got, err := convert.Manifests([]byte(foreign), configs[0]); err != nil || !strings.Contains(string(got[1].Bytes), "layer.nondistributable.v1.tar+gzip") {
		t.Errorf("a foreign layer: %v, %v", got, err)
	}
	if got, err := convert.Indexes([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}`), nil); err != nil || got != nil {
		t.Errorf("an OCI index: %v, %v", got, err)
	}
}

// TestRefused: what is not strict, too large or of another kind derives nothing.
func TestRefused(t *testing.T) {
	configs, err := convert.Configs(corpus(t)[0].config)
	if err != nil {
		t.Fatal(err)
	}
	genuine := string(genuineManifest(t, corpus(t)[0].config))
	list := `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[%]}`
	config := func(b []byte) error { _, err := convert.Configs(b); return err }
	manifest := func(b []byte) error { _, err := convert.Manifests(b, configs[0]); return err }
	index := func(b []byte) error { _, err := convert.Indexes(b, nil); return err }
	for name, c := range map[string]struct {
		of   func([]byte) error
		text string
		as   any
	}{
		"two members of one name":     {config, `{"os":"a","os":"b"}`, new(*strictjson.Error)},
		"of nearly one name":          {config, `{"config":{"Cmd":["a"],"cmd":["b"]}}`, new(*strictjson.Error)},
		"two values":                  {config, `{}{}`, new(*strictjson.Error)},
		"not UTF-8":                   {config, "{\"os\":\"\xff\"}", new(*strictjson.Error)},
		"no object":                   {config, `null`, new(*convert.Error)},
		"another type":                {config, `{"config":{"Env":"A=1"}}`, new(*json.UnmarshalTypeError)},
		"no time":                     {config, `{"created":"yesterday"}`, new(*convert.Error)},
		"too large":                   {config, `{"author":"` + strings.Repeat("a", convert.MaxSize) + `"}`, new(*bounds.Error)},
		"too many elements":           {config, `{"x":[` + strings.Repeat("[],", 1<<20) + `[]]}`, new(*bounds.Error)},
		"a layer of an unknown type":  {manifest, strings.Replace(genuine, "diff.tar.gzip", "diff.tar.xz", 1), new(*convert.Error)},
		"a layer without digest":      {manifest, strings.Replace(genuine, digest([]byte(testdata(t, "layer.tar.gz"))), "sha256:", 1), new(*convert.Error)},
		"another config":              {manifest, strings.Replace(genuine, string(configs[0].From), string(configs[0].Digest), 1), new(*convert.Error)},
		"schema 1":                    {manifest, strings.Replace(genuine, `"schemaVersion":2`, `"schemaVersion":1`, 1), new(*convert.Error)},
		"a list for a manifest":       {manifest, strings.Replace(list, "%", "", 1), new(*convert.Error)},
		"a manifest for a list":       {index, genuine, new(*convert.Error)},
		"an entry of an unknown type": {index, strings.Replace(list, "%", `{"mediaType":"x"}`, 1), new(*convert.Error)},
		"an entry without digest":     {index, strings.Replace(list, "%", `{"mediaType":"application/vnd.oci.image.manifest.v1+json"}`, 1), new(*convert.Error)},
	} {
		err := c.of([]byte(c.text))
		if err == nil || !errors.As(err, c.as) || !errors.As(err, new(*convert.Error)) {
			t.Errorf("%s: %v is not a %s", name, err, reflect.TypeOf(c.as).Elem())
		}
	}
}

// FuzzConfigs: a form of a form is itself, and no form changes what runs.
func FuzzConfigs(f *testing.F) {
	for _, e := range corpus(f) {
		f.Add(e.config)
	}
	f.Fuzz(func(t *testing.T, genuine []byte) {
		configs, err := convert.Configs(genuine)
		if err != nil {
			return
		}
		for _, d := range configs {
			again, err := convert.Configs(d.Bytes)
			if err != nil {
				continue // a letter beyond what is strict, such as names that fold together
			}
			if !slices.ContainsFunc(again, func(a convert.Derived) bool { return a.Digest == d.Digest }) {
				t.Errorf("%s\nbecomes\n%s\nand that does not stay", genuine, d.Bytes)
			}
			run, _, err := convert.Differences(genuine, d.Bytes)
			if err != nil || len(run) > 0 {
				t.Errorf("%s\nbecomes\n%s\nwhich differs in %q: %v", genuine, d.Bytes, run, err)
			}
		}
	})
}

func FuzzManifests(f *testing.F) {
	for _, e := range corpus(f)[:3] {
		f.Add(genuineManifest(f, e.config))
		list := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": []any{listEntry(f, e.config)}}
		f.Add(marshal(f, list))
	}
	f.Fuzz(func(t *testing.T, genuine []byte) {
		var m struct {
			Config    struct{ Digest string }
			Manifests []struct{ Digest string }
		}
		_ = json.Unmarshal(genuine, &m)
		given := []convert.Derived{{From: oci.Digest(m.Config.Digest), Bytes: []byte("{}"), Digest: oci.Digest(digest([]byte("{}")))}}
		made, err := convert.Manifests(genuine, given[0])
		if err != nil {
			for _, e := range m.Manifests {
				given = append(given, convert.Derived{From: oci.Digest(e.Digest), Bytes: []byte("{}"), Digest: oci.Digest(digest([]byte("{}")))})
			}
			made, _ = convert.Indexes(genuine, given)
		}
		for _, d := range made {
			if strictjson.Check(d.Bytes) != nil || strings.Contains(string(d.Bytes), `"mediaType":"application/vnd.docker.`) {
				t.Errorf("%s", d.Bytes)
			}
		}
	})
}
