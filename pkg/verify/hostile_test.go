package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// The tests in the files hostile_*_test.go try to make this package say
// Verified of what is not proved. Each names the rule of docs/trust.md that it
// guards.

const kubernetesProject = "k8s-staging-kubernetes"

// whole holds that every subject has every check that its kind must have, once
// and required: a check that is missing would count for nothing (rule 1).
func whole(t testing.TB, rep report.Report) {
	t.Helper()
	for _, res := range rep.Results {
		if res.Kind != "image" {
			continue
		}
		for _, name := range rep.Scope.Checks {
			if name == report.Inventory {
				continue
			}
			n := 0
			for _, c := range res.Checks {
				if c.Name == name && c.Required {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s %s has the required check %s %d times", res.Subject, res.Platform, name, n)
			}
		}
	}
}

func verdictOf(t testing.TB, w *world.World, v string) report.Report {
	t.Helper()
	rep := images(t, w, v)
	whole(t, rep)
	return rep
}

// plant serves other bytes as the index of an image, signed by krel-trust and
// named by the promotion manifest: only its own form can give it away.
func plant(w *world.World, v, image string, change func([]byte) []byte) {
	old, _ := w.Manifest(image + ":" + v)
	body := change(bytes.Clone(old.Body))
	if bytes.Equal(body, old.Body) {
		panic("nothing was planted")
	}
	digest := w.PutManifest(image, world.Manifest{MediaType: old.MediaType, Body: body}, v)
	w.SignAs(image+":"+v, world.Signing{})
	promoteAs(w, old.Digest(), digest)
}

// promoteAs writes another digest into the promotion manifest.
func promoteAs(w *world.World, old, digest string) {
	url := world.PromotionURL(kubernetesProject)
	w.PutFile(url, bytes.ReplaceAll(w.File(url), []byte(old), []byte(digest)))
}

type object = map[string]any

// edited changes an index as a JSON document.
func edited(change func(list object, manifests []any) []any) func([]byte) []byte {
	return func(b []byte) []byte {
		var list object
		if err := json.Unmarshal(b, &list); err != nil {
			panic(err)
		}
		list["manifests"] = change(list, list["manifests"].([]any))
		out, err := json.MarshalIndent(list, "", "   ")
		if err != nil {
			panic(err)
		}
		return out
	}
}

func platformOf(entry any) object { return entry.(object)["platform"].(object) }

func replace(old, new string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
}

// Rules 20 and 22: an index whose form two readers could take for two things,
// or that has not the platforms of its release, whoever signed it.
func TestHostileIndexes(t *testing.T) {
	built := world.New(world.Options{})
	for name, change := range map[string]func([]byte) []byte{
		"no platforms at all": edited(func(_ object, _ []any) []any { return []any{} }),
		"manifests is null":   edited(func(_ object, _ []any) []any { return nil }),
		"only unknown/unknown": edited(func(_ object, m []any) []any {
			for _, e := range m {
				e.(object)["platform"] = object{"os": "unknown", "architecture": "unknown"}
			}
			return m
		}),
		"one of unknown/unknown": edited(func(_ object, m []any) []any {
			m[0].(object)["platform"] = object{"os": "unknown", "architecture": "unknown"}
			return m
		}),
		"a child without a platform": edited(func(_ object, m []any) []any {
			delete(m[0].(object), "platform")
			return m
		}),
		"an architecture in another case": edited(func(_ object, m []any) []any {
			platformOf(m[0])["architecture"] = "AMD64"
			return m
		}),
		"an architecture that is a path": edited(func(_ object, m []any) []any {
			platformOf(m[0])["architecture"] = "../kube-scheduler"
			return m
		}),
		"an empty architecture": edited(func(_ object, m []any) []any {
			platformOf(m[0])["architecture"] = ""
			return m
		}),
		"relabelled for windows": edited(func(_ object, m []any) []any {
			for _, e := range m {
				platformOf(e)["os"] = "windows"
			}
			return m
		}),
		"a platform twice": edited(func(_ object, m []any) []any { return append(m, m[0]) }),
		"a platform twice, told apart by os.version": edited(func(_ object, m []any) []any {
			var again object
			b, _ := json.Marshal(m[1])
			_ = json.Unmarshal(b, &again)
			again["platform"] = object{"os": "linux", "architecture": "amd64", "os.version": "1"}
			return append(m, again)
		}),
		"architectures exchanged": edited(func(_ object, m []any) []any {
			a, b := m[0].(object), m[1].(object)
			a["platform"], b["platform"] = b["platform"], a["platform"]
			return m
		}),
		"a child of another size": edited(func(_ object, m []any) []any {
			m[0].(object)["size"] = 1
			return m
		}),
		"a child of another media type": edited(func(_ object, m []any) []any {
			m[0].(object)["mediaType"] = registry.OCIManifest
			return m
		}),
		"a child elsewhere": edited(func(_ object, m []any) []any {
			m[0].(object)["urls"] = []string{"https://evil.example/"}
			return m
		}),
		"a child that is the index of another image": edited(func(_ object, m []any) []any {
			m[0].(object)["digest"] = "sha256:" + strings.Repeat("0", 64)
			return m
		}),
		"an index and a manifest": edited(func(list object, m []any) []any {
			list["config"], list["layers"] = m[0], []any{}
			return m
		}),
		"manifests twice":                 replace(`"manifests"`, `"manifests": [], "manifests"`),
		"manifests twice, in other case":  replace(`"manifests"`, `"Manifests": [], "manifests"`),
		"manifests twice, with a long s":  replace(`"manifests"`, `"manifeſts": [], "manifests"`),
		"manifests twice, escaped":        replace(`"manifests"`, `"\u006danifests": [], "manifests"`),
		"a digest twice":                  replace(`"digest"`, `"Digest": "sha256:00", "digest"`),
		"another document behind it":      func(b []byte) []byte { return append(b, "{}"...) },
		"another media type inside":       replace(registry.DockerIndex, registry.OCIIndex),
		"schema version 1":                replace(`"schemaVersion": 2`, `"schemaVersion": 1`),
		"schema version 2.0":              replace(`"schemaVersion": 2`, `"schemaVersion": 2.0`),
		"a byte order mark":               func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) },
		"a size that no integer can hold": replace(`"size": `, `"size": 99999999999999999999`),
		"nested without end":              replace(`"manifests"`, `"annotations": `+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`, "manifests"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			plant(w, version, "kube-proxy", change)
			if rep := verdictOf(t, w, version); rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

// Rule 22: how a registry labels genuine bytes.
func TestHostileContentTypes(t *testing.T) {
	built := world.New(world.Options{})
	for _, label := range []string{
		registry.OCIIndex, registry.DockerManifest, registry.OCIManifest, "application/json", "", "application/octet-stream",
		registry.DockerIndex + "," + registry.OCIIndex, "application/vnd.docker.distribution.manifest.v1+prettyjws",
	} {
		for _, of := range []string{proxy, "kube-proxy-arm64:" + version} {
			if of == "kube-proxy-arm64:"+version && label == registry.DockerManifest {
				continue // is what it is
			}
			t.Run(fmt.Sprintf("%s as %q", of, label), func(t *testing.T) {
				t.Parallel()
				w := built.Clone()
				w.Header(of, "Content-Type", label)
				if rep := verdictOf(t, w, version); rep.Verdict() != report.Unknown && rep.Verdict() != report.Refuted {
					t.Error("verified")
				}
			})
		}
	}
}

// Rule 20: the config speaks too.
func TestHostileConfigs(t *testing.T) {
	built := world.New(world.Options{})
	for name, change := range map[string]func([]byte) []byte{
		"for another architecture": replace(`"architecture":"amd64"`, `"architecture":"arm64"`),
		"for another system":       replace(`"os":"linux"`, `"os":"windows"`),
		"architecture in its key":  replace(`"architecture"`, `"Architecture"`),
		"two architectures":        replace(`"architecture"`, `"architecture":"arm64","Architecture"`),
		"a layer less":             func(b []byte) []byte { return cutDiffID(b) },
		"no layers":                func(b []byte) []byte { return setDiffIDs(b, []string{}) },
		"no rootfs":                replace(`"rootfs"`, `"rootfz"`),
		"a list":                   func(b []byte) []byte { return slices.Concat([]byte("["), b, []byte("]")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			old := w.Digest(proxy)
			oldChild := w.Digest("kube-proxy-amd64:" + version)
			child, list := w.ChangeConfig(version, "kube-proxy", "amd64", world.Upward, change)
			w.SignAs(proxy, world.Signing{})
			promoteAs(w, old, list)
			promoteAs(w, oldChild, child)
			if rep := verdictOf(t, w, version); rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

func cutDiffID(config []byte) []byte {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		panic(err)
	}
	return setDiffIDs(config, c.RootFS.DiffIDs[1:])
}

func setDiffIDs(config []byte, ids []string) []byte {
	var c object
	if err := json.Unmarshal(config, &c); err != nil {
		panic(err)
	}
	c["rootfs"].(object)["diff_ids"] = ids
	out, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return out
}

// transport is a world with something in front of it.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// carried takes the TLS state off all answers, as a mirror has none (rule 7).
func carried(w *world.World) transport {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := w.RoundTrip(r)
		if resp != nil {
			resp.TLS = nil
		}
		return resp, err
	}
}

// Rules 1 and 3: however a run ends, what it says is whole, and it is Verified
// only if nothing was cut short.
func TestHostileMomentsToStop(t *testing.T) {
	built := world.New(world.Options{})
	total := func() int {
		w := built.Clone()
		verdictOf(t, w, version)
		return w.Count("*")
	}()
	for n := 0; n <= total; n += 1 + total/40 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := make(chan struct{}, n)
			for range n {
				left <- struct{}{}
			}
			v := verifier(t, w)
			v.Fetch.Transport = transport(func(r *http.Request) (*http.Response, error) {
				select {
				case <-left:
				default:
					cancel()
				}
				return w.RoundTrip(r)
			})
			rep, err := v.Images(ctx, request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if ctx.Err() != nil && (rep.Verdict() == report.Verified || !rep.Interrupted) {
				t.Errorf("stopped after %d of %d requests: %s", n, total, rep.Verdict())
			}
		})
	}
}
