package seen_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
)

// twoLists is an archive whose two lists each have one image.
func twoLists(first, second sight.Node, firstNames, secondNames []string) seen.Input {
	in := archive(first, firstNames...)
	one := in.Copies[0].Copies[0]
	one.List, one.Root, one.Names = "index.json", second, secondNames
	in.Copies[0].Copies = append(in.Copies[0].Copies, one)
	return in
}

func backwards(in seen.Input) seen.Input {
	slices.Reverse(in.Copies[0].Copies)
	return in
}

// indexOf is an index that somebody made, of children that are called what they are not.
func indexOf(children ...sight.Node) sight.Node {
	n := sight.Node{Role: sight.Index, Bytes: []byte(`{"schemaVersion":2}`), Children: children}
	n.Blob.Digest = oci.DigestOf(n.Bytes)
	return n
}

func called(platform string, n sight.Node) sight.Node {
	n.Platform = platform
	return n
}

// relabelled is a copy with a config that a tool wrote anew.
func relabelled(t testing.TB, n sight.Node, member string, value any) sight.Node {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(n.ConfigBytes, &config); err != nil {
		t.Fatal(err)
	}
	inner, _ := config["config"].(map[string]any)
	if inner == nil {
		inner = map[string]any{}
	}
	inner[member], config["config"] = value, inner
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	n.Role, n.Blob, n.Bytes = sight.Config, sight.Blob{}, nil
	n.ConfigBytes, n.Config = text, blob(text, "")
	return n
}

type row struct {
	name string
	in   seen.Input
	want report.Verdict
	says string
}

func checkRows(t *testing.T, w *world.World, rows []row) {
	t.Helper()
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			rep := verdict(t, judge(t, w), tt.in)
			if got := rep.Verdict(); got != tt.want || !strings.Contains(tell(rep)+strings.Join(rep.Scope.Remarks, "; "), tt.says) {
				t.Errorf("%s, want %s with %q\n%s%v", got, tt.want, tt.says, tell(rep), rep.Scope)
			}
			if tt.want == report.Verified {
				return
			}
			less := judge(t, w)
			less.Verifier.Checks = []string{report.Digest, report.Signature}
			if rep := verdict(t, less, tt.in); rep.Verdict() == report.Verified {
				t.Errorf("verified with --checks digest,signature\n%s", tell(rep))
			}
		})
	}
}

// Whoever swaps what was pulled is found out at every rung, whatever the name, the
// list and the checks that were asked for.
func TestSwapsInWhatWasPulled(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	list, amd64, arm64 := "kube-proxy:"+version, "kube-proxy-amd64:"+version, "kube-proxy-arm64:"+version
	scheduler := "kube-scheduler-amd64:" + version
	const name64 = "registry.k8s.io/kube-proxy-amd64:" + version
	genuine := copyOf(t, w, list)
	swapped := copyOf(t, w, list)
	swapped.Children[0].Bytes, swapped.Children[0].ConfigBytes = swapped.Children[1].Bytes, swapped.Children[1].ConfigBytes
	swapped.Children[0].Config, swapped.Children[0].Layers = swapped.Children[1].Config, swapped.Children[1].Layers
	short := saved(t, w, amd64)
	short.Layers = short.Layers[:len(short.Layers)-1]
	exchanged := saved(t, w, amd64)
	slices.Reverse(exchanged.Layers)
	evil := relabelled(t, saved(t, w, amd64), "Entrypoint", []string{"/bin/evil"})
	label := relabelled(t, saved(t, w, amd64), "Labels", map[string]string{"a": "b"})
	rows := []row{
		{"kube-scheduler named kube-proxy", archive(saved(t, w, scheduler), proxy), report.Refuted, ""},
		{"kube-scheduler named kube-proxy at a mapped name", archive(saved(t, w, scheduler), private), report.Refuted, ""},
		{"kube-scheduler's manifest named kube-proxy", archive(copyOf(t, w, scheduler), proxy), report.Refuted, ""},
		{"v1.27.1 under this tag", archive(saved(t, w, "kube-proxy-amd64:v1.27.1"), proxy), report.Refuted, ""},
		{"v1.27.1's index under this tag", archive(copyOf(t, w, "kube-proxy:v1.27.1"), proxy), report.Refuted, ""},
		{"one genuine name and one of another image", archive(copyOf(t, w, amd64), proxy, "registry.k8s.io/kube-scheduler:"+version), report.Refuted, "kube-scheduler"},
		{"arm64 under amd64's name", archive(saved(t, w, arm64), name64), report.Refuted, "linux/arm64"},
		{"arm64 in an index under amd64's name", archive(indexOf(called("linux/arm64", copyOf(t, w, arm64))), name64), report.Refuted, "linux/arm64"},
		{"arm64 in an index in an index that says amd64", archive(indexOf(called("linux/amd64", indexOf(called("linux/arm64", copyOf(t, w, arm64))))), proxy), report.Refuted, "linux/arm64"},
		{"arm64 that a list calls amd64", archive(indexOf(called("linux/amd64", copyOf(t, w, arm64))), proxy), report.Refuted, "linux/arm64"},
		{"a genuine index with another platform's child", archive(swapped, proxy), report.Refuted, ""},
		{"the scheduler beside a genuine platform", archive(indexOf(called("linux/amd64", copyOf(t, w, amd64)), called("unknown/unknown", copyOf(t, w, scheduler))), proxy), report.Refuted, ""},
		{"fewer layers than diff_ids", archive(short, proxy), report.Refuted, "the genuine config names"},
		{"layers in another order", archive(exchanged, proxy), report.Refuted, "layer 1 of"},
		{"another entrypoint over genuine layers", archive(evil, proxy), report.Refuted, "Entrypoint"},
		{"a second list with another entrypoint", twoLists(saved(t, w, amd64), evil, []string{proxy}, nil), report.Refuted, "Entrypoint"},
		{"a second list with another label", twoLists(saved(t, w, amd64), label, []string{proxy}, nil), report.Refuted, "index.json another"},
		{"a second list with another label, read first", backwards(twoLists(saved(t, w, amd64), label, []string{proxy}, nil)), report.Refuted, "index.json another"},
		{"a second list that has the tag alone", twoLists(saved(t, w, amd64), evil, []string{proxy}, []string{version}), report.Refuted, "Entrypoint"},
		{"an image that has a tag alone", archive(evil, version), report.Unknown, ""},
		{"a vendor's tag at our own name", archive(saved(t, w, amd64), proxy+"-eksbuild.1"), report.Unknown, ""},
		{"a digest without a tag at an unmapped host", lines(sight.Sighting{Name: "mirror.example.com/kube-proxy", Digest: oci.Digest(digest(t, w, list))}), report.Unknown, "--as"},
		{"a genuine index that is read to a limit", archive(limited(genuine), proxy), report.Unknown, "limit"},
		{"a list that is read to a limit", archive(limited(indexOf(called("linux/amd64", copyOf(t, w, amd64)))), proxy), report.Unknown, "limit"},
	}
	checkRows(t, w, rows)
}

func limited(n sight.Node) sight.Node {
	n.Err = errors.New("it names more than a limit lets it")
	return n
}

// What a list says of one image must all be of that image.
func TestDigestsThatContradict(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	index, other, none := digest(t, w, "kube-proxy:"+version), digest(t, w, "kube-scheduler:"+version), oci.DigestOf([]byte("none"))
	config := configOf(t, w, "kube-proxy-amd64:"+version)
	const pinned = "registry.k8s.io/kube-proxy@"
	old, arm64 := digest(t, w, "kube-proxy:v1.27.1"), digest(t, w, "kube-proxy-arm64:"+version)
	beside := func(inName string) seen.Input {
		return lines(sight.Sighting{Name: pinned + inName, Others: []string{proxy, pinned + index}, Digest: oci.Digest(index), Reported: true})
	}
	bare := sight.Sighting{Name: proxy, Digest: oci.Digest(other), Reported: true, Bare: true}
	full := bare
	full.Bare = false
	checkRows(t, w, []row{
		{"tag and digest in one name", lines(sight.Sighting{Name: proxy + "@" + other, Digest: oci.Digest(other)}), report.Refuted, "kube-scheduler"},
		{"a name with another's digest over what runs", lines(sight.Sighting{Name: proxy + "@" + other, Digest: oci.Digest(index), Reported: true}), report.Refuted, "kube-scheduler"},
		{"a pinned name over an unknown digest", lines(sight.Sighting{Name: proxy + "@" + index, Digest: none, Reported: true}), report.Unknown, ""},
		{"a pinned name of a container that waits", lines(sight.Sighting{Name: proxy + "@" + index, Reported: true}), report.Unknown, "no digest"},
		{"a pinned name that was pushed anew, over a genuine config", lines(sight.Sighting{Name: string(private + "@" + none), Digest: oci.Digest(config), Reported: true}), report.Verified, ""},
		{"a name without a tag", lines(sight.Sighting{Name: "registry.k8s.io/kube-proxy@" + index, Digest: oci.Digest(index)}), report.Verified, ""},
		{"a digest that was pushed anew, and the genuine id", lines(sight.Sighting{Name: private, Digest: none, Also: []oci.Digest{oci.Digest(config)}, Reported: true}), report.Verified, ""},
		{"a genuine digest, and an id of nothing", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(index), Also: []oci.Digest{oci.Digest(string(none))}, Reported: true}), report.Unknown, "beside it"},
		{"a digest alone, and an id of nothing", lines(sight.Sighting{Digest: oci.Digest(index), Also: []oci.Digest{oci.Digest(string(none))}, Reported: true}), report.Unknown, "beside it"},
		{"a digest alone, and another image's id", lines(sight.Sighting{Digest: oci.Digest(index), Also: []oci.Digest{oci.Digest(other)}, Reported: true}, sight.Sighting{Name: "registry.k8s.io/kube-scheduler:" + version, Digest: oci.Digest(other)}), report.Refuted, "kube-scheduler"},
		{"a storage's id, and the same as a digest", lines(bare, full), report.Refuted, "kube-scheduler"},
		{"two spellings of one claim", lines(sight.Sighting{Name: proxy, Others: []string{proxy + "@" + index}, Digest: oci.Digest(index), Reported: true}), report.Verified, "(1 places)"},
		{"a tag of ours beside another image of ours", lines(sight.Sighting{Name: proxy, Others: []string{"registry.k8s.io/kube-scheduler@" + index}, Digest: oci.Digest(index), Reported: true}), report.Refuted, "kube-scheduler"},
		{"the digest of another version, beside a tag", beside(old), report.Refuted, "v1.27.1"},
		{"the digest of another image, beside a tag", beside(other), report.Refuted, "kube-scheduler"},
		{"the image's own index, beside a tag", beside(index), report.Verified, "(1 places)"},
		{"the image's own platform, beside a tag", beside(arm64), report.Verified, "(1 places)"},
		{"a digest of nothing that was published, beside a tag", beside(string(none)), report.Verified, "(1 places)"},
		{"another version's digest, after a tag", lines(sight.Sighting{Name: proxy, Others: []string{pinned + old}, Digest: oci.Digest(index), Reported: true}), report.Refuted, "v1.27.1"},
		{"another version's digest, beside a tag at a mapped name", lines(sight.Sighting{Name: pinned + old, Others: []string{private}, Digest: oci.Digest(index), Reported: true}), report.Refuted, "v1.27.1"},
		{"another version's digest, beside the tag of one architecture", lines(sight.Sighting{Name: pinned + old, Others: []string{"registry.k8s.io/kube-proxy-amd64:" + version}, Digest: oci.Digest(index), Reported: true}), report.Refuted, "v1.27.1"},
		{"another version's digest beside a tag, and nothing that runs", lines(sight.Sighting{Name: pinned + old, Others: []string{proxy}}), report.Refuted, "v1.27.1"},
		{"a digest beside the tag of a container that waits", lines(sight.Sighting{Name: pinned + index, Others: []string{proxy}, Reported: true}), report.Unknown, "no digest"},
		{"an archive's name with another version's digest", archive(saved(t, w, "kube-proxy-amd64:"+version), proxy+"@"+old), report.Refuted, "v1.27.1"},
		{"an archive's name with another image's digest", archive(copyOf(t, w, "kube-proxy:"+version), proxy+"@"+other), report.Refuted, "kube-scheduler"},
		{"an archive's name with its own index", archive(copyOf(t, w, "kube-proxy:"+version), proxy+"@"+index), report.Verified, ""},
		{"an archive's name with the index of its one platform", archive(saved(t, w, "kube-proxy-amd64:"+version), proxy+"@"+index), report.Verified, ""},
		{"an archive's mapped name that was pushed anew", archive(saved(t, w, "kube-proxy-amd64:"+version), string(private+"@"+none)), report.Verified, ""},
		{"neither name nor digest", lines(sight.Sighting{Name: proxy}, sight.Sighting{}), report.Unknown, "neither a name nor a digest"},
		{"the name of one architecture", lines(sight.Sighting{Name: "registry.k8s.io/kube-proxy-amd64:" + version}), report.Verified, "linux/amd64"},
	})
	moved := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	moved.Tag("kube-proxy-amd64:"+version, moved.Digest("kube-proxy-amd64:v1.27.1"))
	checkRows(t, moved, []row{
		{"the name of one architecture, which serves another version", lines(sight.Sighting{Name: "registry.k8s.io/kube-proxy-amd64:" + version}), report.Refuted, ""},
	})
}

// What could not be read of the genuine image says nothing of its copies.
func TestWhatIsUnreadRefutesNothing(t *testing.T) {
	honest := world.New(world.Options{Versions: []string{version}})
	amd64 := "kube-proxy-amd64:" + version
	n := saved(t, honest, amd64)
	w := world.New(world.Options{Versions: []string{version}})
	w.Status(string("https://*/blobs/"+n.Config.Digest), 503)
	for _, in := range []seen.Input{archive(n, proxy), archive(copyOf(t, honest, amd64), proxy), lines(sight.Sighting{Name: proxy, Digest: n.Config.Digest, Reported: true})} {
		if rep := verdict(t, judge(t, w), in); rep.Verdict() != report.Unknown {
			t.Errorf("%s, want unknown\n%s", rep.Verdict(), tell(rep))
		}
	}
	gone := world.New(world.Options{Versions: []string{version}})
	index := digest(t, honest, "kube-proxy:"+version)
	gone.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+index, 503)
	rep := verdict(t, judge(t, gone), lines(sight.Sighting{Name: proxy, Digest: oci.Digest(index)}, sight.Sighting{Name: "registry.k8s.io/kube-proxy@" + index, Digest: oci.Digest(index)}))
	if rep.Verdict() == report.Refuted {
		t.Errorf("refuted\n%s", tell(rep))
	}
}

// What is listed beyond the cap of look-ups is unknown, and says that there is a limit.
func TestMoreDigestsThanAreLookedUp(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	var all []sight.Sighting
	for i := range 70 {
		all = append(all, sight.Sighting{Name: proxy, Digest: oci.DigestOf(fmt.Append(nil, i)), Reported: true})
	}
	rep := verdict(t, judge(t, w), lines(all...))
	limits := 0
	for _, res := range rep.Results {
		if c, ok := res.Check(report.Copy); ok && c.Reason == report.Limit {
			limits++
		}
	}
	if rep.Verdict() != report.Unknown || limits != 6 {
		t.Errorf("%s, %d at the limit", rep.Verdict(), limits)
	}
}

// A foreign image counts once, under however many names its digest stands.
func TestOthersAreDistinct(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	d := oci.DigestOf([]byte("nginx"))
	rep := verdict(t, judge(t, w), lines(
		sight.Sighting{Name: "docker.io/library/nginx:1", Digest: d}, sight.Sighting{Name: "docker.io/library/nginx:latest", Digest: d},
		sight.Sighting{Name: "ghcr.io/a/b:1"}, sight.Sighting{Name: "ghcr.io/a/b:1"}))
	if len(rep.Scope.Others) != 2 || rep.Verdict() != report.Unknown {
		t.Errorf("%s, %q", rep.Verdict(), rep.Scope.Others)
	}
}
